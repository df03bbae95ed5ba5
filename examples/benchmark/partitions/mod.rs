//! A mart in partitions, against the statements that people would write by hand.

mod fill;
mod many;
mod read;
mod touch;

use datamart::database::Endpoint;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tempfile::TempDir;

use crate::Result;
use crate::daemon::Daemon;
use crate::database::{Durability, Server, execute};
use crate::program::Program;
use crate::refresh::ours;

/// Rows of the source.
const ROWS: i64 = 5_000_000;

/// What the mart is made of.
const QUERY: &str = "SELECT id, placed::date AS day, customer, category, amount FROM public.orders";

/// Takes and prints the figures.
pub async fn measure(program: &Program, runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Durable).await?;
    let scene = Scene::of(program, &mut server, ROWS, 12).await?;
    fill::measure(&scene, runs.min(5)).await?;
    execute(&scene.database, "DROP TABLE public.orders CASCADE").await?;
    let scene = Scene::of(program, &mut server, ROWS, 60).await?;
    touch::measure(&scene, runs.max(3)).await?;
    read::measure(&scene).await?;
    server.stop().await?;
    many::measure(program, runs).await
}

/// A database with orders of some months, and a folder with the manifest of a mart of them.
pub struct Scene<'a> {
    program: &'a Program,
    folder: TempDir,
    pub database: Endpoint,
    pub months: i64,
}

impl<'a> Scene<'a> {
    pub async fn of(program: &'a Program, server: &mut Server, rows: i64, months: i64) -> Result<Self> {
        let database = server.database().await?;
        let seed = format!(
            "CREATE TABLE public.orders (id bigint PRIMARY KEY, placed timestamptz NOT NULL, customer int NOT NULL, category int NOT NULL, amount numeric(12, 2) NOT NULL);
             SET TimeZone = 'UTC';
             INSERT INTO public.orders SELECT i, {} + (i - 1) / {rows}.0 * interval '{months} months', i % 200000, i % 20, i % 997 + 0.25 FROM generate_series(1, {rows}) AS i;
             CREATE INDEX ON public.orders (placed)",
            begins(months, 0)
        );
        execute(&database, &seed).await?;
        execute(&database, "VACUUM (ANALYZE) public.orders").await?;
        execute(&database, "CHECKPOINT").await?;
        Ok(Self { program, folder: tempfile::tempdir()?, database, months })
    }

    /// Writes the mart's manifest; `more` comes behind it.
    pub fn mart(&self, head: &str, more: &str) -> Result<()> {
        let text = format!(
            "type = \"partitioned_table\"\nquery = \"\"\"{QUERY}\"\"\"\n{head}\n[partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\npremake = 0\n{more}\n"
        );
        Ok(std::fs::write(self.folder.path().join("by_month.toml"), text)?)
    }

    /// Runs a command of ours.
    pub fn run(&self, args: &[&str]) -> Result<std::time::Duration> {
        ours(self.program, &self.folder, &self.database, args)
    }

    /// A daemon of ours, once it is ready.
    pub async fn daemon(&self) -> Result<Daemon> {
        Daemon::start(self.program, &self.folder.path().to_string_lossy(), &self.database).await
    }

    /// A figure that a query gives.
    pub async fn number(&self, sql: &str) -> Result<f64> {
        let sql = format!("SELECT x::float8 FROM ({sql}) AS t (x)");
        Ok(sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut self.session().await?).await?.try_get(0)?)
    }

    /// Milliseconds of the last run, as the history tells: without the start of a process. What it did, too.
    pub async fn last(&self) -> Result<(f64, String)> {
        let sql = "SELECT extract(epoch FROM finished_at - started_at)::float8 * 1000, method || ': ' || reason
                   FROM datamart.refreshes ORDER BY run DESC LIMIT 1";
        let row = sqlx::query(sql).fetch_one(&mut self.session().await?).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    pub async fn session(&self) -> Result<PgConnection> {
        let mut conn = self.database.session("benchmark").await?;
        sqlx::raw_sql("SET TimeZone = 'UTC'").execute(&mut conn).await?;
        Ok(conn)
    }
}

/// The beginning of a month of so many up to this one, as an expression.
pub fn begins(months: i64, number: i64) -> String {
    let back = months - 1 - number;
    format!("(pg_catalog.date_trunc('month', pg_catalog.now(), 'UTC') - interval '{back} months')")
}

/// Milliseconds of statements, one after the other.
pub async fn timed(conn: &mut PgConnection, statements: &[String]) -> Result<f64> {
    let begun = std::time::Instant::now();
    for sql in statements {
        sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut *conn).await?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// A line of figures.
pub fn line(what: &str, spread: &crate::report::Spread, target: Option<f64>, note: &str) -> Vec<String> {
    crate::changes::line(what, spread, target, note)
}
