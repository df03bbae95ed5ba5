//! The tables, the marts, and a server that may crash.

use std::collections::BTreeSet;
use std::path::Path;

use datamart::database::Endpoint;
use datamart::database::embedded::{self, Embedded, Options};
use datamart::manifest::Desired;
use datamart::refresh::{self, Run};
use datamart::state::QName;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, PgConnection};

use super::shapes::Shape;
use crate::cli::rig::{self, Out};
use crate::support::folder::Folder;
use crate::support::postgresql::binaries;
use crate::support::project;
use crate::support::wait::until;

const TABLES: &str = include_str!("world.sql");
/// A transaction may be prepared; what the machine would keep through a loss of power is not asked.
const SETTINGS: &[(&str, &str)] = &[
    ("max_prepared_transactions", "40"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("log_min_messages", "fatal"),
];

pub struct World {
    root: tempfile::TempDir,
    folder: Folder,
    server: Embedded,
    desired: Desired,
    pub shapes: Vec<Shape>,
    pub major: u32,
}

impl World {
    /// The tables, and marts of these shapes, filled.
    pub async fn of(shapes: &[Shape]) -> Self {
        Self::with(shapes, Shape::manifest).await
    }

    /// … by these manifests.
    pub async fn with(shapes: &[Shape], manifest: impl Fn(&Shape) -> String) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        let server = start(root.path()).await;
        let folder = rig::folder(&[]);
        for shape in shapes {
            folder.write(&format!("datamarts/{}.toml", shape.name), &manifest(shape));
        }
        let desired = project::load(&folder.path().join("datamarts"));
        let major = server.version.split('.').next().and_then(|major| major.parse().ok()).expect("a version");
        let world = Self { root, folder, server, desired, shapes: shapes.to_vec(), major };
        world.script(TABLES).await;
        world.apply();
        world
    }

    pub fn endpoint(&self) -> Endpoint {
        self.server.endpoint()
    }

    pub async fn session(&self) -> PgConnection {
        self.endpoint().session("proof").await.expect("a session")
    }

    /// Runs statements as a user would.
    pub async fn script(&self, sql: &str) {
        self.steps(&[sql]).await;
    }

    /// Runs statements, each in a transaction of its own, in one session.
    pub async fn steps(&self, steps: &[&str]) {
        let mut conn = self.session().await;
        for sql in ["SET search_path = public; SET lock_timeout = '5s'"].iter().chain(steps) {
            let done = sqlx::raw_sql(AssertSqlSafe((*sql).to_owned())).execute(&mut conn).await;
            done.unwrap_or_else(|error| panic!("{error}\nin {sql}"));
        }
    }

    /// The first value, as text.
    pub async fn value(&self, sql: &str) -> String {
        let mut conn = self.session().await;
        let sql = format!("SELECT coalesce((SELECT x::text FROM ({sql}) AS t (x) LIMIT 1), 'NULL')");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut conn).await.expect("a value")
    }

    /// Applies what is declared, and puts back what was changed behind its back.
    pub fn apply(&self) -> Out {
        let args = ["apply", "--auto-approve", "-q", "--heal", "--lock-timeout", "20s"];
        let mut command = rig::bare(self.folder.path(), &args);
        command.env("DATABASE_URL", self.endpoint().url());
        rig::finish(command, self.folder.path()).done()
    }

    /// Refreshes these marts.
    pub async fn refresh(&self, names: &BTreeSet<&str>) -> Vec<Run> {
        let mut conn = self.session().await;
        let actual = project::actual(&mut conn, &self.desired).await;
        let selected = names.iter().map(|name| QName::new("public", *name)).collect();
        let items = refresh::items(&actual, &selected).unwrap_or_else(|unknown| panic!("{unknown:?}"));
        let options = project::refresh_options();
        let runs = refresh::refresh(&self.endpoint(), &items, &options, &|| false, &mut |_| {}).await;
        runs.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Ends the server and starts it again; after a crash its unlogged tables are empty.
    pub async fn restart(&mut self, signal: Signal) {
        let pid = std::fs::read_to_string(self.server.data_dir.join("postmaster.pid")).expect("a pid file");
        let pid = Pid::from_raw(pid.lines().next().and_then(|line| line.parse().ok()).expect("a pid"));
        kill(pid, signal).expect("a server");
        let ended = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        until("the server ends", async || ended()).await;
        self.server = start(self.root.path()).await;
    }

    pub async fn stop(self) {
        self.server.stop().await.expect("an end");
    }
}

async fn start(root: &Path) -> Embedded {
    let settings = SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = Options { binaries: binaries(), settings, ..Options::beside(root) };
    embedded::start(options).await.expect("the server starts")
}
