//! What there is of our schema.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::text::{MIGRATIONS, in_schema};
use crate::database::{DatabaseError, SqlError};

const FACTS: &str = include_str!("facts.sql");
const META: &str = include_str!("meta.sql");
const IDENTITY: &str = include_str!("identity.sql");

/// The format this program writes: the number of its migrations.
pub const FORMAT: i32 = MIGRATIONS.len() as i32;

/// The first format that has what daemons need: requests, overrides, how the last revision went.
pub const DAEMONS: i32 = 4;

/// The registry's own row about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Meta {
    /// Its format.
    pub format: i32,
    /// The cluster it was written in, where the role could see that.
    pub system_identifier: Option<String>,
    /// The database it was written in.
    pub database_oid: i64,
    /// That database's name then.
    pub database_name: String,
    /// The server's major version when it was written or claimed.
    pub server_major: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// By whom.
    pub created_by: String,
}

/// What there is of our schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryState {
    /// Nothing: the first apply makes it.
    Missing,
    /// As this program writes it.
    Ready(Meta),
    /// Written by an older program: the next apply migrates it.
    Older(Meta),
    /// Written by a newer program.
    Newer {
        /// Its format.
        found: i32,
        /// The newest format this program knows.
        known: i32,
    },
    /// Written in another database: a restore or a clone, until `claim`.
    Foreign(Meta),
}

impl RegistryState {
    /// The meta row where the registry can be used as it is.
    ///
    /// # Errors
    /// [`DatabaseError::NewerRegistry`] and [`DatabaseError::ForeignRegistry`], each with the way out.
    pub fn usable(self, schema: &str) -> Result<Option<Meta>, DatabaseError> {
        match self {
            RegistryState::Missing => Ok(None),
            RegistryState::Ready(meta) | RegistryState::Older(meta) => Ok(Some(meta)),
            RegistryState::Newer { found, known } => {
                Err(DatabaseError::NewerRegistry { schema: schema.to_owned(), found, known })
            }
            RegistryState::Foreign(meta) => {
                Err(DatabaseError::ForeignRegistry { schema: schema.to_owned(), database: meta.database_name })
            }
        }
    }
}

/// What the catalog says, whether or not there is a registry.
pub(super) struct Facts {
    pub(super) has_schema: bool,
    has_meta: bool,
    database_oid: i64,
    may_identify: bool,
    may_read: bool,
    role: String,
}

impl Facts {
    pub(super) async fn read(conn: &mut PgConnection, schema: &str) -> Result<Self, SqlError> {
        let row = sqlx::query(FACTS).bind(schema).fetch_one(conn).await?;
        Ok(Self {
            has_schema: row.try_get("has_schema")?,
            has_meta: row.try_get("has_meta")?,
            database_oid: row.try_get("database_oid")?,
            may_identify: row.try_get("may_identify")?,
            may_read: row.try_get("may_read")?,
            role: row.try_get("role")?,
        })
    }

    /// A statement of the registry's, with the cluster's identity in it where the role may ask for it.
    pub(super) fn sql(&self, text: &str, schema: &str) -> String {
        let identity = if self.may_identify { IDENTITY.trim() } else { "NULL::text" };
        in_schema(&text.replace("{system_identifier}", identity), schema)
    }
}

/// Reads it, in two queries at most; in a transaction of the caller's or in none.
///
/// # Errors
/// What the server says: a schema that this role may not read, most of all.
pub async fn state(conn: &mut PgConnection, schema: &str) -> Result<RegistryState, DatabaseError> {
    let facts = Facts::read(conn, schema).await?;
    state_with(conn, schema, &facts).await
}

pub(super) async fn state_with(
    conn: &mut PgConnection,
    schema: &str,
    facts: &Facts,
) -> Result<RegistryState, DatabaseError> {
    if !facts.has_meta {
        return Ok(RegistryState::Missing);
    }
    if !facts.may_read {
        return Err(DatabaseError::ClosedRegistry { schema: schema.to_owned(), role: facts.role.clone() });
    }
    let sql = AssertSqlSafe(facts.sql(META, schema));
    let row = sqlx::query(sql).fetch_optional(conn).await?;
    let Some(row) = row else {
        return Err(DatabaseError::Config {
            message: format!("schema {schema} has a table meta without a row: not a registry of datamart"),
        });
    };
    let live = row.try_get("live_identifier")?;
    Ok(judge(read(&row)?, live, facts.database_oid))
}

fn read(row: &PgRow) -> Result<Meta, SqlError> {
    Ok(Meta {
        format: row.try_get("format")?,
        system_identifier: row.try_get("system_identifier")?,
        database_oid: row.try_get("database_oid")?,
        database_name: row.try_get("database_name")?,
        server_major: row.try_get("server_major")?,
        created_at: row.try_get("created_at")?,
        created_by: row.try_get("created_by")?,
    })
}

fn judge(meta: Meta, live_identifier: Option<String>, live_oid: i64) -> RegistryState {
    if meta.format > FORMAT {
        return RegistryState::Newer { found: meta.format, known: FORMAT };
    }
    // A role that may not see the cluster's identity cannot tell clusters apart; the database's OID still speaks.
    let other_cluster = match (&meta.system_identifier, &live_identifier) {
        (Some(written), Some(live)) => written != live,
        _ => false,
    };
    if other_cluster || meta.database_oid != live_oid {
        RegistryState::Foreign(meta)
    } else if meta.format < FORMAT {
        RegistryState::Older(meta)
    } else {
        RegistryState::Ready(meta)
    }
}
