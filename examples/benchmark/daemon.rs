//! The daemon with 1,000 marts: starting, idling, 200 of them due in one second, `/metrics`.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use datamart::database::Endpoint;
use nix::libc;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tempfile::TempDir;

use crate::Result;
use crate::database::{Durability, Server};
use crate::processors;
use crate::program::Program;
use crate::report::{Spread, table, verdict};

const MARTS: usize = 1_000;
/// So many are due in the same second.
const DUE: usize = 200;
/// So many run at once.
const PARALLEL: usize = 2;
const IDLE: Duration = Duration::from_secs(60);
/// Sessions that were kept warm are gone by then.
const COOL: Duration = Duration::from_secs(20);

/// The query of the marts that are refreshed.
const QUERY: &str =
    "SELECT day, category, sum(amount) AS amount, count(*) AS orders FROM public.sales GROUP BY day, category";

/// Takes and prints the figures.
pub async fn measure(program: &Program, runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Durable).await?;
    let database = server.database().await?;
    let folder = folder()?;
    let dir = folder.path().to_string_lossy().into_owned();
    program.run(["--dir", &dir, "--database-url", database.url(), "apply", "--auto-approve", "-q"])?;
    let mut conn = database.session("benchmark").await?;
    let mut rows = Vec::new();

    let mut ready = Vec::new();
    for _ in 0..runs {
        let daemon = Daemon::start(program, &dir, &database).await?;
        ready.push(daemon.ready);
    }
    rows.push(row("start to ready, s", &Spread::seconds(ready), 3, 1.0));

    let daemon = Daemon::start(program, &dir, &database).await?;
    let mut metrics = Vec::new();
    for _ in 0..runs * 5 {
        let begun = Instant::now();
        let text = daemon.get("/metrics").await?;
        metrics.push(begun.elapsed().as_secs_f64() * 1e3);
        if !text.contains("datamart_size_bytes") {
            return Err("/metrics does not tell the sizes".into());
        }
    }
    rows.push(row(&format!("/metrics of {MARTS} marts, ms"), &Spread::of(metrics), 2, 10.0));
    tokio::time::sleep(COOL).await;
    let (cpu, said) = (daemon.cpu()?, transactions(&mut conn).await?);
    tokio::time::sleep(IDLE).await;
    let used = (daemon.cpu()? - cpu) / IDLE.as_secs_f64() * 100.0;
    // Our own two looks are among them.
    let said = transactions(&mut conn).await? - said;
    rows.push(row("idle, % of a core over a minute", &Spread::of([used]), 2, 0.2));
    rows.push(row("idle, memory, MB", &Spread::of([daemon.memory()?]), 1, 30.0));
    rows.push(row("idle, connections", &Spread::of([connections(&mut conn).await?]), 0, 2.0));
    rows.push(row("idle, transactions in a minute, heartbeats too", &Spread::of([said]), 0, 60.0));
    drop(daemon);

    // Each refresh leaves the server's catalog a little longer: the same statements before and after.
    let before = bare(&database).await?;
    due(&folder)?;
    program.run(["--dir", &dir, "--database-url", database.url(), "apply", "--auto-approve", "-q"])?;
    let daemon = Daemon::start(program, &dir, &database).await?;
    // Not while it gets going, nor when a full minute is near.
    let second = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() % 60;
    tokio::time::sleep(Duration::from_secs(if second < 45 { 5 } else { 65 - second })).await;
    let backend: i32 = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut conn).await?.try_get(0)?;
    let used = || -> Result<(f64, f64)> { Ok((processors::of_server(backend.unsigned_abs())?, daemon.cpu()?)) };
    let earlier = used()?;
    let burst = burst(&mut conn).await?;
    let later = used()?;
    let (theirs, ours) = (later.0 - earlier.0, later.1 - earlier.1);
    drop(daemon);
    let after = bare(&database).await?;
    let bare: Vec<f64> = before.iter().zip(&after).map(|(before, after)| (before + after) / 2.0).collect();
    let late = lateness(&burst, &bare);
    // So late each would be if nothing but the server's own work kept it waiting.
    let at_once = std::thread::available_parallelism()?.get().min(PARALLEL) as f64;
    let needed: Vec<f64> = (0..DUE).map(|number| number as f64 * theirs / DUE as f64 / at_once).collect();
    let each = |starts: &[f64]| starts.last().copied().unwrap_or_default() * 1e3 * PARALLEL as f64 / DUE as f64;
    rows.push(row(&format!("{DUE} due at once: p99 beyond the bare statements, ms"), &Spread::of([late.p99]), 1, 50.0));
    let what = format!("{DUE} due at once: p99 beyond what the server worked for them, ms");
    rows.push(row(&what, &Spread::of([lateness(&burst, &needed).p99]), 1, 50.0));
    let each_of = |seconds: f64| Spread::of([seconds * 1e3 / DUE as f64]);
    rows.push(row("… one run, ms of a processor: the server", &each_of(theirs), 2, f64::INFINITY));
    rows.push(row("… one run, ms of a processor: the daemon", &each_of(ours), 2, f64::INFINITY));
    let bare_each = Spread::of([each(&before), each(&after)]);
    rows.push(row("… one run, ms, bare (before, after)", &bare_each, 2, f64::INFINITY));
    rows.push(row("… one run, ms, beyond the bare statement", &Spread::of([late.each - each(&bare)]), 2, 3.0));
    let statements = Spread::of(burst.iter().map(|run| run.statements));
    rows.push(row("… one run, ms, of the daemon's its statements", &statements, 2, f64::INFINITY));
    let first = burst.iter().map(|run| run.late * 1e3).fold(f64::INFINITY, f64::min);
    rows.push(row("… the first one, ms, begun after it was due", &Spread::of([first]), 1, f64::INFINITY));
    conn.close().await?;
    server.stop().await?;
    let head = ["", "min", "median", "max", "target", "verdict"];
    table(&format!("daemon with {MARTS} marts, {runs} starts"), &head, &rows);
    Ok(())
}

fn row(what: &str, spread: &Spread, decimals: usize, target: f64) -> Vec<String> {
    let mut row = vec![what.to_owned()];
    row.extend(spread.cells(decimals));
    match target.is_finite() {
        true => row.extend([target.to_string(), verdict(spread.median, target)]),
        false => row.extend([String::new(), String::new()]),
    }
    row
}

/// Marts that are due once a year.
fn folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("datamart-benchmark-").tempdir()?;
    let project = format!("[limits]\nparallel_refreshes = {PARALLEL}\n[database]\nconnections = {}\n", PARALLEL * 3);
    std::fs::write(folder.path().join("project.toml"), project)?;
    for number in 0..MARTS {
        write(folder.path(), number, "0 3 1 1 *")?;
    }
    Ok(folder)
}

/// Some of them are due at every full minute.
fn due(folder: &TempDir) -> Result<()> {
    (0..DUE).try_for_each(|number| write(folder.path(), number, "* * * * *"))
}

fn write(folder: &Path, number: usize, schedule: &str) -> Result<()> {
    let mut text = String::new();
    writeln!(text, "type = \"materialized_view\"\nquery = \"\"\"\n{QUERY}\n\"\"\"")?;
    writeln!(text, "[refresh]\nstrategy = \"scheduled\"\nschedule = \"{schedule}\"")?;
    writeln!(text, "[[indexes]]\ncolumns = [\"day\", \"category\"]\nunique = true")?;
    Ok(std::fs::write(folder.join(format!("mart_{number:04}.toml")), text)?)
}

/// The same refreshes by nobody but the server: when each could begin, in seconds after the first one, in order.
async fn bare(database: &Endpoint) -> Result<Vec<f64>> {
    let clock = Instant::now();
    let worker = async |first: usize| -> Result<Vec<f64>> {
        let mut conn = database.session("benchmark").await?;
        let mut ends = Vec::new();
        for number in (first..DUE).step_by(PARALLEL) {
            ends.push(clock.elapsed().as_secs_f64());
            for sql in ["REFRESH MATERIALIZED VIEW CONCURRENTLY", "ANALYZE"] {
                let sql = format!("{sql} public.mart_{number:04}");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await?;
            }
        }
        conn.close().await?;
        Ok(ends)
    };
    let workers: Vec<_> = (0..PARALLEL).map(worker).collect();
    let mut starts: Vec<f64> = Vec::new();
    for ends in futures_util::future::join_all(workers).await {
        starts.extend(ends?);
    }
    starts.sort_by(f64::total_cmp);
    starts.push(clock.elapsed().as_secs_f64());
    Ok(starts)
}

/// How the burst went.
struct Late {
    /// Milliseconds by which the latest hundredth began later than the bare statements would have let it.
    p99: f64,
    /// Milliseconds of one run.
    each: f64,
}

/// One of the runs that were due at once, in seconds after that.
struct Due {
    late: f64,
    ended: f64,
    /// Milliseconds that its statements took.
    statements: f64,
}

/// Waits for one full minute's runs.
async fn burst(conn: &mut PgConnection) -> Result<Vec<Due>> {
    let sql = "SELECT extract(epoch FROM started_at - due_at)::float8 AS late,
                      extract(epoch FROM finished_at - due_at)::float8 AS ended, duration_ms
               FROM datamart.refreshes
               WHERE status = 'success' AND cause = 'schedule'
                 AND due_at = (SELECT min(due_at) FROM datamart.refreshes
                               WHERE cause = 'schedule' AND status = 'success' AND due_at > to_timestamp($1))
               ORDER BY started_at";
    // What was due shortly before is made up when a daemon starts.
    let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
    let deadline = Instant::now() + Duration::from_secs(150);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let rows = sqlx::query(sql).bind(began).fetch_all(&mut *conn).await?;
        if rows.len() < DUE && Instant::now() < deadline {
            continue;
        }
        if rows.len() < DUE {
            return Err(format!("only {} of {DUE} ran", rows.len()).into());
        }
        let due = |row: &PgRow| -> Result<Due> {
            Ok(Due {
                late: row.try_get("late")?,
                ended: row.try_get("ended")?,
                statements: row.try_get("duration_ms")?,
            })
        };
        return rows.iter().map(due).collect();
    }
}

fn lateness(runs: &[Due], bare: &[f64]) -> Late {
    let mut beyond: Vec<f64> = runs.iter().zip(bare).map(|(run, bare)| (run.late - bare) * 1e3).collect();
    beyond.sort_by(f64::total_cmp);
    let p99 = beyond.get(DUE * 99 / 100 - 1).copied().unwrap_or(f64::NAN);
    let first = runs.first().map(|run| run.late).unwrap_or_default();
    let last = runs.iter().map(|run| run.ended).fold(0.0, f64::max);
    Late { p99, each: (last - first) * 1e3 * PARALLEL as f64 / DUE as f64 }
}

/// Transactions of the database that the server has counted so far.
async fn transactions(conn: &mut PgConnection) -> Result<f64> {
    let sql = "SELECT (xact_commit + xact_rollback)::float8 FROM pg_stat_database WHERE datname = current_database()";
    Ok(sqlx::query(sql).fetch_one(conn).await?.try_get(0)?)
}

/// Sessions of the daemon.
async fn connections(conn: &mut PgConnection) -> Result<f64> {
    let sql = "SELECT count(*)::float8 FROM pg_stat_activity
               WHERE datname = current_database() AND application_name LIKE 'datamart:%' AND application_name <> 'datamart: benchmark'";
    Ok(sqlx::query(sql).fetch_one(conn).await?.try_get(0)?)
}

/// A daemon at work; it ends with this value.
pub struct Daemon {
    child: Child,
    address: String,
    ready: Duration,
}

impl Daemon {
    /// One of the manifests in `dir`, once it is ready.
    pub async fn start(program: &Program, dir: &str, database: &Endpoint) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let begun = Instant::now();
        let child = Command::new(program.path())
            .args(["--dir", dir, "--database-url", database.url(), "daemon", "--http", &address])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut daemon = Self { child, address, ready: Duration::ZERO };
        loop {
            if reqwest::get(daemon.url("/readyz")).await.is_ok_and(|answer| answer.status().is_success()) {
                daemon.ready = begun.elapsed();
                return Ok(daemon);
            }
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("the daemon was not ready within a minute".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Result<String> {
        Ok(reqwest::get(self.url(path)).await?.error_for_status()?.text().await?)
    }

    /// Seconds of a core it has had.
    fn cpu(&self) -> Result<f64> {
        processors::of(self.child.id())
    }

    /// What it has in memory, in MB.
    fn memory(&self) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1_024.0 / 1e6)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SAFETY: the child is ours and was not waited for.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let _ = self.child.wait();
    }
}
