//! Refreshes that follow changes, against the statements that people would write by hand and against what PostgreSQL has, and what
//! writers pay, and what readers.

mod join;
mod noop;
mod orders;
pub mod reads;
mod warm;
pub mod writers;

use std::process::Command;

use datamart::database::Endpoint;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tempfile::TempDir;

use crate::Result;
use crate::database::{Durability, Server, execute};
use crate::program::{Program, run};
use crate::refresh::ours;
use crate::report::{Spread, table, verdict};

/// Takes and prints the figures.
pub async fn measure(program: &Program, runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Durable).await?;
    let scene = Scene::of(program, &mut server).await?;
    say_what_is_beside(&scene).await?;
    orders::measure(&scene, runs).await?;
    warm::measure(&scene, runs).await?;
    noop::measure(&scene, runs).await?;
    execute(&scene.database, "DROP TABLE IF EXISTS public.orders CASCADE").await?;
    let scene = Scene::of(program, &mut server).await?;
    join::measure(&scene, runs).await?;
    server.stop().await
}

/// Takes and prints what is about a thousand rows of today.
pub async fn today(program: &Program, runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Durable).await?;
    orders::today_alone(&Scene::of(program, &mut server).await?, runs).await?;
    server.stop().await
}

/// A database, and a folder of manifests for it.
pub struct Scene<'a> {
    program: &'a Program,
    folder: TempDir,
    pub database: Endpoint,
}

/// What a refresh took, as the history tells.
#[derive(Debug, Clone)]
pub struct Taken {
    pub ms: f64,
    pub method: String,
    /// Why so.
    pub reason: String,
}

impl<'a> Scene<'a> {
    pub async fn of(program: &'a Program, server: &mut Server) -> Result<Self> {
        Ok(Self { program, folder: tempfile::tempdir()?, database: server.database().await? })
    }

    /// A mart of this query; `more` comes behind it.
    pub fn mart(&self, name: &str, query: &str, more: &str) -> Result<()> {
        let text = format!("type = \"table\"\nquery = \"\"\"{query}\"\"\"\n{more}\n");
        Ok(std::fs::write(self.folder.path().join(format!("{name}.toml")), text)?)
    }

    pub fn apply(&self) -> Result<()> {
        ours(self.program, &self.folder, &self.database, &["apply", "--auto-approve", "--prune", "--quiet"]).map(drop)
    }

    /// Refreshes a mart by the program; the time is that of its run, without the start of a process.
    pub async fn refresh(&self, name: &str, args: &[&str]) -> Result<Taken> {
        ours(self.program, &self.folder, &self.database, &[&["refresh", name], args].concat())?;
        let sql = "SELECT extract(epoch FROM finished_at - started_at)::float8 * 1000,
                          CASE status WHEN 'success' THEN method ELSE status END, reason
                   FROM datamart.refreshes ORDER BY run DESC LIMIT 1";
        let mut conn = self.session().await?;
        let row = sqlx::query(sql).fetch_one(&mut conn).await?;
        Ok(Taken { ms: row.try_get(0)?, method: row.try_get(1)?, reason: row.try_get(2)? })
    }

    /// Refreshes until nothing has to be proved any more: the first refreshes by changes are compared with the query.
    pub async fn trust(&self, name: &str, change: &str) -> Result<()> {
        for _ in 0..4 {
            execute(&self.database, change).await?;
            self.refresh(name, &[]).await?;
        }
        Ok(())
    }

    pub async fn session(&self) -> Result<PgConnection> {
        Ok(self.database.session("benchmark").await?)
    }

    /// A figure that a query gives.
    pub async fn number(&self, sql: &str) -> Result<f64> {
        let sql = format!("SELECT x::float8 FROM ({sql}) AS t (x)");
        Ok(sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut self.session().await?).await?.try_get(0)?)
    }

    /// Milliseconds of a whole process of ours that refreshes a mart.
    pub fn process(&self, name: &str) -> Result<f64> {
        Ok(ours(self.program, &self.folder, &self.database, &["refresh", name])?.as_secs_f64() * 1e3)
    }

    /// Milliseconds of a process of psql that runs these statements.
    pub fn psql(&self, statements: &[&str]) -> Result<f64> {
        let mut command = Command::new("psql");
        command.args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", self.database.url()]);
        for sql in statements {
            command.args(["-c", sql]);
        }
        Ok(run(&mut command)?.wall.as_secs_f64() * 1e3)
    }

    /// Milliseconds of one statement on a session that has looked around before.
    pub async fn timed(&self, conn: &mut PgConnection, sql: &str) -> Result<f64> {
        let begun = std::time::Instant::now();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }
}

/// A line of figures: what, spread, its target, and the methods that were taken.
pub fn line(what: &str, spread: &Spread, target: Option<f64>, note: &str) -> Vec<String> {
    let mut row = vec![what.to_owned()];
    row.extend(spread.cells(2));
    row.push(target.map_or_else(String::new, |target| target.to_string()));
    row.push(target.map_or_else(String::new, |target| verdict(spread.median, target)));
    row.push(note.to_owned());
    row
}

/// Prints lines.
pub fn print(title: &str, rows: &[Vec<String>]) {
    table(title, &["", "min", "median", "max", "target", "verdict", "by"], rows);
}

/// The distinct methods, as they came.
pub fn methods(taken: &[Taken]) -> String {
    let mut words: Vec<&str> = taken.iter().map(|one| one.method.as_str()).collect();
    words.dedup();
    words.join(", ")
}

/// Extensions that keep views up to date are measured beside ours where the server has them.
async fn say_what_is_beside(scene: &Scene<'_>) -> Result<()> {
    for name in ["pg_ivm", "timescaledb"] {
        let sql = format!("SELECT count(*) FROM pg_available_extensions WHERE name = '{name}'");
        if scene.number(&sql).await? < 1.0 {
            println!("{name} is not installed here, and not measured");
        }
    }
    Ok(())
}
