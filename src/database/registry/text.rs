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
    include_str!("0009.sql"),
];

/// The names of the registry's tables.
pub fn tables() -> impl Iterator<Item = &'static str> {
    let lines = MIGRATIONS.iter().flat_map(|text| text.lines());
    lines.filter(|line| line.starts_with("CREATE ")).filter_map(|line| {
        let (_, rest) = line.split_once(" TABLE {registry}.")?;
        rest.split_whitespace().next()
    })
}

/// A statement of ours for this registry: `{registry}` becomes the quoted schema.
pub fn in_schema(text: &str, schema: &str) -> String {
    text.replace("{registry}", &quote_ident(schema))
}

#[cfg(test)]
mod tests {
    #[test]
    fn tables_are_known_by_name() {
        let tables: Vec<_> = super::tables().collect();
        assert!(
            ["marts", "audit", "locks", "overrides", "partitions"].iter().all(|name| tables.contains(name)),
            "{tables:?}"
        );
        assert!(!tables.contains(&"status"), "a view is written to by nobody");
    }
}
