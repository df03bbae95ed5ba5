//! What the server says of a statement, in words of the mart.

use crate::database::SqlError;

/// A row that no partition takes is told with its value, and what to do.
pub(super) fn told(mart: &str, source: SqlError) -> SqlError {
    let homeless = source.is("23514") && source.message.starts_with("no partition of relation");
    let Some(detail) = source.detail.as_deref().filter(|_| homeless) else { return source };
    // Partition key of the failing row contains (day) = (null).
    let value = detail.split_once(" contains ").map_or(detail, |(_, value)| value).trim_end_matches('.');
    SqlError::with_sqlstate("23514", format!("a row has no partition of {mart}: {value}"))
        .hinted("set `default = true` in [partition], or leave such rows out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_errors_are_the_server_s() {
        let other = SqlError::with_sqlstate("23514", "new row violates check constraint");
        assert_eq!(told("public.sales", other.clone()).to_string(), other.to_string());
    }
}
