//! Storage parameters, as PostgreSQL keeps them.

use std::collections::BTreeMap;

/// Storage parameters, `key=value` each.
pub(super) fn options(options: Option<Vec<String>>) -> BTreeMap<String, String> {
    let pair = |option: String| match option.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (option, String::new()),
    };
    options.unwrap_or_default().into_iter().map(pair).collect()
}
