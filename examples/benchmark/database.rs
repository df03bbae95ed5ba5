//! A private PostgreSQL for the measurements: the product's own embedded server.

use datamart::database::Endpoint;
use datamart::database::embedded::{self, Embedded, Options};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::Result;
use crate::marts;

/// How commits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On disk before they are told, as in production.
    Durable,
    /// For preparations that are not measured.
    Fast,
}

/// The server of one benchmark; it ends with it.
pub struct Server {
    embedded: Embedded,
    databases: usize,
}

impl Server {
    /// Starts it.
    pub async fn start(durability: Durability) -> Result<Self> {
        let mut options = Options::ephemeral(&std::env::temp_dir())?;
        if durability == Durability::Durable {
            options.settings.clear();
        }
        // Its own work in the background would be measured, too.
        options.settings.push(("autovacuum".to_owned(), "off".to_owned()));
        let embedded = embedded::start(options).await?;
        println!("PostgreSQL {}, {durability:?} commits", embedded.version);
        Ok(Self { embedded, databases: 0 })
    }

    /// A new database with the table that the marts read.
    pub async fn database(&mut self) -> Result<Endpoint> {
        self.databases += 1;
        let name = format!("benchmark_{}", self.databases);
        execute(&self.embedded.endpoint(), &format!("CREATE DATABASE {name}")).await?;
        let database = self.embedded.endpoint_of(&name)?;
        execute(&database, marts::SOURCE).await?;
        // What was written so far is not to be paid for by what is measured.
        execute(&database, "CHECKPOINT").await?;
        Ok(database)
    }

    /// Ends it.
    pub async fn stop(self) -> Result<()> {
        Ok(self.embedded.stop().await?)
    }
}

/// Runs a script.
pub async fn execute(database: &Endpoint, sql: &str) -> Result<()> {
    let mut conn = database.session("benchmark").await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await?;
    Ok(conn.close().await?)
}

/// How many materialized views the database has, and how many indexes they have: that both sides did the same.
pub async fn made(database: &Endpoint) -> Result<(i64, i64)> {
    let mut conn: PgConnection = database.session("benchmark").await?;
    let sql = "SELECT (SELECT count(*) FROM pg_matviews WHERE ispopulated),
                      (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relkind = 'm')";
    let row = sqlx::query(sql).fetch_one(&mut conn).await?;
    conn.close().await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
