//! The real binary, in a folder of its own, on a database of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use regex::Regex;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::postgresql::of_children;
use crate::support::wait::until;

/// No command of a test takes longer.
const LIMIT: Duration = Duration::from_secs(120);
/// The role that commands connect as: it owns its database, and is no superuser.
pub const ROLE: &str = "etl";
static ROLE_MADE: OnceLock<()> = OnceLock::new();

/// A folder with a project, and a database for it.
pub struct Rig {
    pub database: Database,
    pub folder: Folder,
    pub url: String,
}

impl Rig {
    /// Manifests by name below `datamarts/`, on an empty database.
    pub fn of(manifests: &[(&str, &str)]) -> Self {
        let database = run(Database::new());
        let grant = format!("ALTER DATABASE {0} OWNER TO {ROLE}; GRANT ALL ON SCHEMA public TO {ROLE}", database.name);
        ROLE_MADE.get_or_init(|| run(database.script(&format!("CREATE ROLE {ROLE} LOGIN"))));
        run(database.script(&grant));
        let url = database.endpoint.url().replace("user=postgres", &format!("user={ROLE}"));
        Self { database, folder: folder(manifests), url }
    }

    /// The shop: a source table, and marts of every kind.
    pub fn shop() -> Self {
        let rig = Self::of(SHOP);
        rig.sql(ORDERS);
        rig
    }

    /// The shop, applied.
    pub fn applied() -> Self {
        let rig = Self::shop();
        rig.run(&["apply", "--auto-approve", "-q"]).done();
        rig
    }

    /// Runs SQL as the role of the commands.
    pub fn sql(&self, sql: &str) {
        run(self.database.script(&format!("SET ROLE {ROLE};{sql}")));
    }

    /// Runs SQL as a superuser.
    pub fn sql_as_superuser(&self, sql: &str) {
        run(self.database.script(sql));
    }

    /// Runs one statement, which may commit by itself, as a superuser.
    pub fn call(&self, sql: &str) {
        run(async {
            let mut conn = self.database.session().await;
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("a statement");
        });
    }

    /// The first value of a query, as a superuser sees it.
    pub fn value(&self, sql: &str) -> String {
        run(self.database.value(sql))
    }

    /// Writes a manifest.
    pub fn write(&self, name: &str, text: &str) {
        self.folder.write(&format!("datamarts/{name}"), text);
    }

    /// A manifest's text.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("datamarts").join(name)).expect("a manifest")
    }

    /// Removes a manifest.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join("datamarts").join(name)).expect("a file");
    }

    /// A command in the folder, on the database.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(self.folder.path(), args);
        command.env("DATABASE_URL", &self.url);
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Out {
        self.start(args).finish()
    }

    /// Runs it on another address.
    pub fn run_on(&self, url: &str, args: &[&str]) -> Out {
        let mut command = self.command(args);
        command.env("DATABASE_URL", url);
        Running::start(command, self.redactions()).finish()
    }

    /// Starts it.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args), self.redactions())
    }

    /// What differs from run to run, and what stands for it.
    pub fn redactions(&self) -> Vec<(String, String)> {
        let socket = self.url.split_once("host=").and_then(|(_, rest)| rest.split_once('&'));
        let mut pairs = vec![(self.folder.path().display().to_string(), "DIR".to_owned())];
        pairs.extend(socket.map(|(host, _)| (host.to_owned(), "SOCKET".to_owned())));
        pairs
    }

    /// A session of somebody else, who has run this and goes on holding what it holds.
    pub fn hold(&self, sql: &str) -> Held {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let sql = AssertSqlSafe(format!("SET search_path = public; SET application_name = 'somebody'; BEGIN; {sql}"));
        let conn = runtime.block_on(async {
            let mut conn = self.database.session().await;
            sqlx::raw_sql(sql).execute(&mut conn).await.expect("what is to be held");
            conn
        });
        Held { runtime, conn }
    }

    /// Waits until a query gives true; its names are looked for in `public`. In one session: each that is opened keeps VACUUM, in all
    /// databases, from what it would do.
    pub fn until(&self, condition: &str) {
        run(async {
            let mut conn = self.database.session().await;
            sqlx::raw_sql("SET search_path = public").execute(&mut conn).await.expect("a setting");
            until(condition, async || {
                let sql = format!("SELECT coalesce((SELECT x::text FROM ({condition}) AS t (x) LIMIT 1), '')");
                let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut conn).await;
                sqlx::Row::get::<String, _>(&row.unwrap_or_else(|error| panic!("{error}\nin {condition}")), 0) == "true"
            })
            .await;
        });
    }

    /// Waits until one of our sessions with this purpose waits for a lock or sleeps in a statement like this: not for a disk, which
    /// any statement may do.
    pub fn until_at_work(&self, purpose: &str, statement: &str) {
        self.until(&format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
             AND application_name = 'datamart: {purpose}' AND query LIKE '{statement}' \
             AND (wait_event_type = 'Lock' OR wait_event = 'PgSleep')"
        ));
    }
}

/// What somebody else holds.
pub struct Held {
    runtime: tokio::runtime::Runtime,
    conn: PgConnection,
}

impl Held {
    /// Commits what it did.
    pub fn commit(mut self) {
        let committed = self.runtime.block_on(sqlx::raw_sql("COMMIT").execute(&mut self.conn));
        committed.expect("a commit");
        self.release();
    }

    /// Gives it back.
    pub fn release(self) {
        let closed = self.runtime.block_on(sqlx::Connection::close(self.conn));
        closed.expect("an end");
    }
}

/// A project's folder, which every user may enter: the embedded server's too.
pub fn folder(manifests: &[(&str, &str)]) -> Folder {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::of(&[]);
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    for (name, text) in manifests {
        folder.write(&format!("datamarts/{name}"), text);
    }
    folder
}

/// The binary with nothing in its environment but PATH, and the server programs of this run.
pub fn bare(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datamart"));
    command.env_clear().current_dir(dir).args(args);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(of_children().map(|folder| ("DATAMART_POSTGRES_BIN", folder)));
    command
}

/// Runs a command that belongs to no [`Rig`].
pub fn finish(command: Command, dir: &Path) -> Out {
    Running::start(command, vec![(dir.display().to_string(), "DIR".to_owned())]).finish()
}

/// A command at work.
pub struct Running {
    pid: Pid,
    output: Receiver<Output>,
    redactions: Vec<(String, String)>,
}

impl Running {
    pub fn start(mut command: Command, redactions: Vec<(String, String)>) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = loop {
            match command.spawn() {
                // A script that was written just now: somebody else forked while it was open, and has not begun his own program.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                child => break child.expect("the binary"),
            }
        };
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        let (send, output) = channel();
        std::thread::spawn(move || send.send(child.wait_with_output().expect("an end")));
        Self { pid, output, redactions }
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("a process");
    }

    /// Waits for its end.
    pub fn finish(self) -> Out {
        let Ok(output) = self.output.recv_timeout(LIMIT) else {
            let _ = kill(self.pid, Signal::SIGKILL);
            panic!("the command did not end");
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let out = Out {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            redactions: self.redactions,
        };
        assert!(!out.stderr.contains("panicked"), "{}", out.stderr);
        out
    }
}

/// What a command left. Printed, it is what it printed, without what differs from run to run.
pub struct Out {
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    redactions: Vec<(String, String)>,
}

impl Out {
    /// Panics unless it ended with 0.
    #[track_caller]
    pub fn done(self) -> Self {
        self.ended(0)
    }

    /// Panics unless it ended so.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The one object on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// The keys of that object, with the types of their values.
    #[track_caller]
    pub fn shape(&self) -> String {
        shape(&self.json())
    }

    /// stdout without what differs.
    pub fn out(&self) -> String {
        self.redacted(&self.stdout)
    }

    /// stderr without what differs.
    pub fn err(&self) -> String {
        self.redacted(&self.stderr)
    }

    fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (what, with) in &self.redactions {
            text = text.replace(what, with);
        }
        redact(&text)
    }
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit {code}")?,
            None => writeln!(f, "killed")?,
        }
        for (name, text) in [("stdout", self.out()), ("stderr", self.err())] {
            if !text.is_empty() {
                write!(f, "--- {name}\n{text}")?;
            }
        }
        Ok(())
    }
}

fn redact(text: &str) -> String {
    static FILTERS: OnceLock<Vec<(Regex, &str)>> = OnceLock::new();
    let filters = FILTERS.get_or_init(|| {
        let host = nix::unistd::gethostname().expect("a host").to_string_lossy().into_owned();
        let host = format!(r"\bon {}\b", regex::escape(&host));
        [
            (r"test_\d+", "DB"),
            (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)?", "TIME"),
            // In a column the width stays.
            (r"  \d\ds\b", "   0s"),
            (r"\b\d+\.\d\ds\b", "0.00s"),
            (r"\b\d+\.\d s\b", "0.0 s"),
            (r"(\s)\d+s\b", "${1}0s"),
            (r"(pid|process|PID) \d+", "$1 PID"),
            (r"sha256:[0-9a-f]{64}", "sha256:HASH"),
            (host.as_str(), "on HOST"),
            // Up to 15 PostgreSQL prints which relation a column is of even where there is one only.
            (r#"([^".\w])(orders|sales|events)\.(id|day|product|amount|orders|revenue|at|kind)\b"#, "$1$3"),
            // From 17 on a materialized view is filled frozen, which takes a page of its visibility map.
            (r"\b40 kB\b", "32 kB"),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
        .to_vec()
    });
    filters.iter().fold(text.to_owned(), |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}

/// One line per key: its path and the types of its values, in the order they come.
pub fn shape(value: &Value) -> String {
    let mut lines: Vec<(String, BTreeSet<&'static str>)> = Vec::new();
    walk(value, String::new(), &mut lines);
    let told = lines.into_iter().map(|(path, types)| format!("{path}: {}\n", Vec::from_iter(types).join("|")));
    told.collect()
}

fn walk(value: &Value, path: String, lines: &mut Vec<(String, BTreeSet<&'static str>)>) {
    let mut note = |word| match lines.iter_mut().find(|(known, _)| *known == path) {
        Some((_, types)) => {
            types.insert(word);
        }
        None => lines.push((path.clone(), BTreeSet::from([word]))),
    };
    match value {
        Value::Null => note("null"),
        Value::Bool(_) => note("boolean"),
        Value::Number(number) if number.is_f64() => note("number"),
        Value::Number(_) => note("integer"),
        Value::String(_) => note("string"),
        Value::Array(items) if items.is_empty() => note("[]"),
        Value::Array(items) => items.iter().for_each(|item| walk(item, format!("{path}[]"), lines)),
        Value::Object(map) if map.is_empty() => note("{}"),
        Value::Object(map) => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                walk(value, format!("{path}{dot}{key}"), lines);
            }
        }
    }
}

/// 200 orders of 20 days.
pub const ORDERS: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, product text NOT NULL, amount numeric(10, 2) NOT NULL);
    INSERT INTO orders SELECT i, date '2024-01-01' + i % 20, 'p' || i % 4, i FROM generate_series(1, 200) AS i;
    CREATE TABLE events (at timestamptz NOT NULL, kind text NOT NULL);
    INSERT INTO events SELECT timestamptz '2024-01-01 00:00+00' + i * interval '1 hour', 'k' || i % 3 FROM generate_series(1, 50) AS i;";

/// Marts of every kind: `sales` and "Sales 2024" read orders, `top` reads sales, `event_counts` reads events.
pub const SHOP: &[(&str, &str)] = &[
    ("project.toml", "[project]\nname = \"shop\"\n"),
    (
        "dashboard/sales.toml",
        r#"type = "materialized_view"
description = "Sales by day and product"
tags = ["daily", "sales"]
query = """
SELECT day, product, count(*) AS orders, sum(amount) AS revenue
FROM orders
GROUP BY day, product
"""

[[indexes]]
columns = ["day", "product"]
unique = true

[metadata]
owner_team = "bi"
"#,
    ),
    (
        "dashboard/top.toml",
        r#"type = "view"
tags = ["sales"]
query = "SELECT product, sum(revenue) AS revenue FROM sales GROUP BY product"
"#,
    ),
    (
        "archive/sales_2024.toml",
        r#"name = "Sales 2024"
type = "table"
primary_key = ["id"]
query = "SELECT id, day, amount FROM orders WHERE day < '2025-01-01'"
"#,
    ),
    (
        "event_counts.toml",
        r#"type = "table"
tags = ["daily"]
query = "SELECT kind, count(*) AS events FROM events GROUP BY kind"
"#,
    ),
];
