//! Making our schema, and bringing it up to date.

use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};

use super::audit::{Owner, audit};
use super::state::{Facts, state_with};
use super::text::{MIGRATIONS, in_schema};
use super::{FORMAT, RegistryState};
use crate::database::{DatabaseError, SqlError};

const ENTER: &str = include_str!("enter.sql");
const SET_FORMAT: &str = include_str!("format.sql");
const CLAIM: &str = include_str!("claim.sql");

/// Makes the registry, or brings it up to date, in the caller's transaction; `true` where it changed something.
/// An ordinary role with CREATE on the database, or the owner of the schema, can do it.
///
/// # Errors
/// A newer or foreign registry; what the server says.
pub async fn migrate(conn: &mut PgConnection, schema: &str) -> Result<bool, DatabaseError> {
    let facts = Facts::read(conn, schema).await?;
    let found = state_with(conn, schema, &facts).await?;
    if matches!(found, RegistryState::Ready(_)) {
        return Ok(false);
    }
    let format = found.usable(schema)?.map_or(0, |meta| meta.format);
    // What goes may hang on tables of others: nobody waits behind us for long.
    run(conn, "SET LOCAL lock_timeout = '3s'", schema).await?;
    if !facts.has_schema {
        // Not IF NOT EXISTS: that asks for CREATE on the database even where the schema is there.
        run(conn, "CREATE SCHEMA {registry}", schema).await?;
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(format).unwrap_or(0)) {
        run(conn, migration, schema).await?;
    }
    let last = if format == 0 { facts.sql(ENTER, schema) } else { in_schema(SET_FORMAT, schema) };
    sqlx::query(AssertSqlSafe(last)).bind(FORMAT).execute(conn).await?;
    Ok(true)
}

/// Takes over a registry that came with a restored or cloned database: it belongs to this one from now on. In the caller's
/// transaction; `false` where there was nothing to take over.
///
/// # Errors
/// A newer registry; what the server says.
pub async fn claim(conn: &mut PgConnection, schema: &str, by: &Owner) -> Result<bool, DatabaseError> {
    let facts = Facts::read(conn, schema).await?;
    let meta = match state_with(conn, schema, &facts).await? {
        RegistryState::Foreign(meta) => meta,
        other => return other.usable(schema).map(|_| false),
    };
    run(conn, &facts.sql(CLAIM, schema), schema).await?;
    audit(conn, schema, by, "claim", Some(schema), &json!({ "from": meta })).await?;
    Ok(true)
}

async fn run(conn: &mut PgConnection, text: &str, schema: &str) -> Result<(), SqlError> {
    sqlx::raw_sql(AssertSqlSafe(in_schema(text, schema))).execute(conn).await?;
    Ok(())
}
