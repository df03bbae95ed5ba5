//! What the server would do for a refresh.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::ObserveError;
use crate::database::SqlError;
use crate::state::{Mart, quote_ident, quote_literal};

/// The server's plan of a mart's query, in both forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: serde_json::Value,
}

/// Plans the query as a refresh would run it: with the mart's settings, as its owner. In the caller's read-only transaction;
/// nothing is executed.
///
/// # Errors
/// What the server says.
pub async fn explain(conn: &mut PgConnection, mart: &Mart, owner: Option<&str>) -> Result<Explained, ObserveError> {
    let mut setup = String::new();
    for (key, value) in mart.settings() {
        let (key, value) = (quote_literal(&key), quote_literal(&value));
        setup.push_str(&format!("SELECT pg_catalog.set_config({key}, {value}, true);"));
    }
    if let Some(owner) = owner {
        setup.push_str(&format!("SET LOCAL ROLE {};", quote_ident(owner)));
    }
    sqlx::raw_sql(AssertSqlSafe(setup)).execute(&mut *conn).await?;
    planned(conn, mart).await.map_err(|error| SqlError::from(error).of_role(owner).into())
}

async fn planned(conn: &mut PgConnection, mart: &Mart) -> Result<Explained, sqlx::Error> {
    // Simple protocol: what a query says is planned as it stands, whatever the driver thinks of its parameters.
    let rows = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN {}", mart.query))).fetch_all(&mut *conn).await?;
    let lines: Result<Vec<String>, sqlx::Error> = rows.iter().map(|row| row.try_get(0)).collect();
    let row = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) {}", mart.query))).fetch_one(conn).await?;
    let json: String = row.try_get_unchecked(0)?;
    Ok(Explained {
        text: lines?.join("\n"),
        json: serde_json::from_str(&json).unwrap_or(serde_json::Value::String(json)),
    })
}
