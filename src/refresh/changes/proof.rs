//! Trust, then verify: whether the mart's rows are those of its query, in the transaction that wrote them.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::build::position::Standing;
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::refresh::alike::alike;

/// So many refreshes by changes are compared with the query after all rows were computed.
const FIRST: i32 = 3;
/// Later one of so many.
const EVERY: i32 = 100;

/// Whether the refresh behind `standing` is one that is compared.
pub(super) fn is_due(standing: &Standing) -> bool {
    standing.verified < FIRST || (standing.refreshes + 1) % EVERY == 0
}

/// Whether the mart has the rows of `query`; of those that `kept` speaks of, a condition on rows of a name, where there is one.
///
/// # Errors
/// What the server says.
pub(super) async fn same(
    conn: &mut PgConnection,
    live: &Relation,
    query: &str,
    kept: impl Fn(&str) -> Option<String>,
) -> Result<bool, SqlError> {
    // No column is called so: of a row and a column of one name, the column would be meant.
    let alias = "\"datamart row\"";
    let which = kept(alias).map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    let query = format!("(\n{}\n)", query.trim());
    // Sums of hashes do not depend on the order of the rows: one pass over each, and nothing is sorted.
    let hashed = |from: &str| {
        format!(
            "(SELECT ROW(pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended({alias}::text, 0)::numeric)) \
             FROM {from} AS {alias}{which})"
        )
    };
    let sql = format!("SELECT {} IS NOT DISTINCT FROM {}", hashed(&live.name.to_string()), hashed(&query));
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await?;
    if row.try_get(0)? {
        return Ok(true);
    }
    // The same value may be written in several ways: 2.2 and 2.20.
    let rows = |from: &str| format!("SELECT {alias}.* FROM {from} AS {alias}{which}");
    let (is, should) = (rows(&live.name.to_string()), rows(&query));
    let sql = format!("SELECT NOT EXISTS (({is} EXCEPT ALL {should}) UNION ALL ({should} EXCEPT ALL {is}))");
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await;
    match row.map_err(SqlError::from) {
        Ok(row) if row.try_get(0)? => Ok(true),
        Ok(_) => match alike(&live.columns, &live.name.to_string(), &query, alias, &which) {
            Some(sql) => Ok(sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(conn).await?.try_get(0)?),
            None => Ok(false),
        },
        // Values of a type that cannot be compared are as they are written.
        Err(error) if error.is("42883") => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_a_few_later_ones_are_compared() {
        let due = |verified, refreshes| is_due(&Standing { verified, refreshes, ..Standing::default() });
        assert!(due(0, 0) && due(2, 2));
        assert!(!due(3, 3) && !due(3, 98));
        assert!(due(3, 99) && due(4, 199));
    }
}
