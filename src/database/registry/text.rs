//! The registry's statements, for the schema it stands in.

use crate::state::quote_ident;

/// In order; never changed once released, only added to.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("0001.sql"),
    include_str!("0002.sql"),
    include_str!("0003.sql"),
    include_str!("0004.sql"),
    include_str!("0005.sql"),
    include_str!("0006.sql"),
    include_str!("0007.sql"),
    include_str!("0008.sql"),
];

/// A statement of ours for this registry: `{registry}` becomes the quoted schema.
pub fn in_schema(text: &str, schema: &str) -> String {
    text.replace("{registry}", &quote_ident(schema))
}
