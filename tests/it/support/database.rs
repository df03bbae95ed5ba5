//! One private PostgreSQL per run, one database per test.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use datamart::database::Endpoint;
use datamart::database::embedded::{self, Embedded, Options};
use nix::sys::statvfs::statvfs;
use sqlx::{AssertSqlSafe, PgConnection};

use super::postgresql::binaries;
use super::wait::{until, within_an_hour};

static SERVER: OnceLock<Embedded> = OnceLock::new();
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// Runs an async test.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// The run's server; it ends with the process.
pub fn server() -> &'static Embedded {
    SERVER.get_or_init(|| {
        std::thread::spawn(|| {
            let mut options = ephemeral();
            // Nothing analyses a table behind a test's back: plans tell how many rows there are.
            let quiet = ("autovacuum_naptime", "1000000");
            for (name, value) in [("max_connections", "200"), ("wal_level", "minimal"), ("max_wal_senders", "0"), quiet]
            {
                options.settings.push((name.to_owned(), value.to_owned()));
            }
            run(embedded::start(options)).expect("the server starts")
        })
        .join()
        .expect("the server's thread")
    })
}

/// A server of a test's own, of the same major version as the run's.
pub fn ephemeral() -> Options {
    Options { binaries: binaries(), ..Options::ephemeral(&home()).expect("a folder for the server") }
}

/// In memory where there is plenty of it: hundreds of databases are made, and a disk would be what is waited for.
fn home() -> PathBuf {
    const PLENTY: u64 = 12 << 30;
    let memory = Path::new("/dev/shm");
    let there = statvfs(memory).map_or(0, |there| there.blocks_available() * there.fragment_size());
    let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free =
        told.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.strip_suffix("kB")?.trim().parse().ok());
    let is_plenty = there.min(free.unwrap_or(0) << 10) > PLENTY;
    if is_plenty { memory.to_owned() } else { std::env::temp_dir() }
}

/// From now on this role has to give its password to reach these databases of the run's server, where everybody else is trusted.
pub async fn asks_for_password(databases: &str, role: &str) {
    // One at a time: what is read is written back.
    static RULES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _alone = RULES.lock().await;
    let (file, next) = (server().data_dir.join("pg_hba.conf"), server().data_dir.join("pg_hba.conf.next"));
    let rules = std::fs::read_to_string(&file).expect("pg_hba.conf");
    // In its place at once, for whoever reads it meanwhile, and still the server's.
    std::fs::copy(&file, &next).expect("a copy");
    std::fs::write(&next, format!("local {databases} {role} scram-sha-256\n{rules}")).expect("rules");
    let owner = std::fs::metadata(&file).expect("the file");
    std::os::unix::fs::chown(&next, Some(owner.uid()), Some(owner.gid())).expect("its owner");
    std::fs::rename(&next, &file).expect("the new rules");
    let endpoint = server().endpoint();
    let mut conn = endpoint.session("tests").await.expect("a session");
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut conn).await.expect("a reload");
    let asked = endpoint.url().replace(&format!("user={}", endpoint.role()), &format!("user={role}&password=nobody"));
    let asked = if databases == "all" {
        asked
    } else {
        asked.replace(&format!("/{}?", endpoint.database()), &format!("/{databases}?"))
    };
    let asked = Endpoint::from_url(&asked).expect("an endpoint");
    until("the password is asked for", async || asked.session("test").await.is_err()).await;
}

/// The major version of the run's server.
pub fn major() -> u32 {
    server().version.split('.').next().and_then(|m| m.parse().ok()).expect("a version")
}

/// A new, empty database.
pub struct Database {
    pub endpoint: Endpoint,
    pub name: String,
}

impl Database {
    pub async fn new() -> Self {
        within_an_hour().await;
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut conn = server().endpoint().session("tests").await.expect("a session");
        // Copied as files, which before 15 is the only way: through the log of the server it takes three times as long.
        let copied = if major() < 15 { "" } else { " STRATEGY file_copy" };
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}{copied}")))
            .execute(&mut conn)
            .await
            .expect("a database");
        let endpoint = server().endpoint_of(&name).expect("an endpoint");
        Self { endpoint, name }
    }

    pub async fn session(&self) -> PgConnection {
        self.endpoint.session("test").await.expect("a session")
    }

    /// Runs a script, as a user's session would: with `public` on the search path.
    pub async fn script(&self, sql: &str) {
        let mut conn = self.session().await;
        let sql = format!("SET search_path = public;{sql}");
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut conn).await {
            panic!("{error}\nin {sql}");
        }
    }

    /// The first column of the first row, as text.
    pub async fn value(&self, sql: &str) -> String {
        let mut conn = self.session().await;
        sqlx::raw_sql("SET search_path = public").execute(&mut conn).await.expect("a setting");
        let wrapped = format!("SELECT coalesce((SELECT x::text FROM ({sql}) AS t (x) LIMIT 1), 'NULL')");
        let row = sqlx::query(AssertSqlSafe(wrapped)).fetch_one(&mut conn).await;
        sqlx::Row::get(&row.unwrap_or_else(|error| panic!("{error}\nin {sql}")), 0)
    }
}
