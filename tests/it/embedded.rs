//! The embedded server: shared, stopped by its last user, started again whatever happened to it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use datamart::database::embedded::{self, Embedded, Options};
use datamart::database::{DatabaseError, Endpoint};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::AssertSqlSafe;

use crate::support::database::{ephemeral, run, server};
use crate::support::postgresql::binaries;
use crate::support::wait::until;

/// A project's folder, where the server's user can reach it.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    dir
}

fn options(root: &Path) -> Options {
    let mut options = Options { binaries: binaries(), ..Options::beside(root) };
    options.settings.push(("fsync".into(), "off".into()));
    options
}

fn seeded(root: &Path, sql: &str) -> Options {
    let file = root.join("seed.sql");
    std::fs::write(&file, sql).expect("a seed");
    Options { seed: Some(file), ..options(root) }
}

async fn start(options: &Options) -> Embedded {
    embedded::start(options.clone()).await.expect("a server")
}

async fn script(endpoint: &Endpoint, sql: &str) {
    let mut conn = endpoint.session("test").await.expect("a session");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("a script");
}

async fn value(endpoint: &Endpoint, sql: &str) -> String {
    let mut conn = endpoint.session("test").await.expect("a session");
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut conn).await.expect("a value")
}

async fn count(endpoint: &Endpoint, table: &str) -> i64 {
    let mut conn = endpoint.session("test").await.expect("a session");
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM public.{table}"));
    sqlx::query_scalar(sql).fetch_one(&mut conn).await.expect("a count")
}

/// The server's process, as its pid file says.
fn postmaster(root: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(root.join(".datamart/postgres/postmaster.pid")).ok()?;
    Some(Pid::from_raw(text.lines().next()?.parse().ok()?))
}

#[test]
fn its_last_user_stops_it() {
    run(async {
        let root = project();
        let options = seeded(root.path(), "CREATE TABLE shop (a int);\nINSERT INTO shop VALUES (1);\n");
        let first = start(&options).await;
        assert!(first.started && first.created);
        assert_eq!(first.data_dir, root.path().canonicalize().expect("a path").join(".datamart/postgres"));
        assert!(first.endpoint().is_ours() && first.endpoint().is_local());
        assert_eq!(first.endpoint().label(), "datamart on the embedded server");
        let second = start(&options).await;
        assert!(!second.started && !second.created);
        assert_eq!([&first.version, &second.version], [&server().version; 2]);
        let endpoint = first.endpoint();
        first.stop().await.expect("left");
        script(&endpoint, "INSERT INTO public.shop VALUES (2)").await;
        let sockets = value(&endpoint, "SHOW unix_socket_directories").await;
        second.stop().await.expect("stopped");
        assert!(postmaster(root.path()).is_none() && !Path::new(&sockets).exists());
        let error = endpoint.session("test").await.expect_err("nobody is there");
        assert_eq!(error.kind(), "connection");

        // Again: with the data, without the seed.
        let third = start(&options).await;
        assert!(third.started && !third.created);
        assert_eq!(count(&third.endpoint(), "shop").await, 2);
        // Dropped, as by an error or Ctrl-C.
        drop(third);
        until("the dropped one stops", async || postmaster(root.path()).is_none()).await;
    });
}

#[test]
fn many_that_start_at_once_start_one() {
    let root = project();
    let options = seeded(root.path(), "CREATE TABLE shop (a int); INSERT INTO shop VALUES (1)");
    let all: Vec<Embedded> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| run(start(&options)))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    assert_eq!(all.iter().filter(|one| one.started).count(), 1);
    assert_eq!(all.iter().filter(|one| one.created).count(), 1);
    run(async {
        for one in &all {
            assert_eq!(count(&one.endpoint(), "shop").await, 1);
        }
        for one in all {
            one.stop().await.expect("stopped");
        }
    });
    assert!(postmaster(root.path()).is_none());
}

#[test]
fn a_failing_seed_tells_where_and_is_tried_again() {
    run(async {
        let root = project();
        let options =
            seeded(root.path(), "CREATE TABLE a (ñ text);\nINSERT INTO a VALUES ('ñññ');\nSELECT 1\n  FROM nowhere;\n");
        let error = embedded::start(options.clone()).await.expect_err("the seed fails");
        let DatabaseError::Seed { file, line, source } = &error else { panic!("{error:?}") };
        assert_eq!((file, *line), (options.seed.as_ref().expect("a seed"), Some(4)));
        assert_eq!(source.message, "relation \"nowhere\" does not exist");
        assert_eq!(error.kind(), "missing");
        assert!(error.to_string().ends_with("/seed.sql:4: the seed script failed"), "{error}");
        assert!(postmaster(root.path()).is_none(), "nobody uses it");

        let missing = Options { seed: Some(root.path().join("sed.sql")), ..options.clone() };
        let error = embedded::start(missing).await.expect_err("no such file");
        assert!(
            matches!(&error, DatabaseError::Io { action: "read", path, .. } if path.ends_with("sed.sql")),
            "{error:?}"
        );

        let good = start(&seeded(root.path(), "CREATE TABLE a (b text)")).await;
        assert!(good.created);
        assert_eq!(count(&good.endpoint(), "a").await, 0);
        let names = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate";
        assert_eq!(value(&good.endpoint(), names).await, "datamart postgres", "nothing half-made stays");
        good.stop().await.expect("stopped");
    });
}

#[test]
fn what_killed_commands_and_servers_leave_is_taken_over() {
    run(async {
        let root = project();
        let mut command = Process::new("start", root.path(), &[]);
        assert!(command.said.get(1).is_some_and(|data| Path::new(data).is_dir()), "{:?}", command.said);
        let pid = postmaster(root.path()).expect("it runs");
        command.kill();
        // The command's server runs on; the next command uses it, and stops it.
        let next = start(&options(root.path())).await;
        assert!(!next.started && !next.created);
        assert_eq!(postmaster(root.path()), Some(pid));
        script(&next.endpoint(), "CREATE TABLE public.kept (a int); INSERT INTO public.kept VALUES (1)").await;
        next.stop().await.expect("stopped");
        assert!(postmaster(root.path()).is_none());

        // A killed server leaves its pid file, its socket and, for moments, its sessions.
        let doomed = start(&options(root.path())).await;
        let session = doomed.endpoint().session("test").await.expect("a session");
        kill(postmaster(root.path()).expect("it runs"), Signal::SIGKILL).expect("killed");
        let next = start(&options(root.path())).await;
        assert!(next.started && !next.created);
        assert_eq!(count(&next.endpoint(), "kept").await, 1);
        drop((session, doomed));
        next.stop().await.expect("stopped");
        assert!(postmaster(root.path()).is_none());

        // So does the machine that loses its power: another program may have the number by then.
        let file = root.path().join(".datamart/postgres/postmaster.pid");
        std::fs::write(&file, format!("{}\n/x\n1\n5432\n/run/x\n", std::process::id())).expect("a pid file");
        let next = start(&options(root.path())).await;
        assert!(next.started);
        next.stop().await.expect("stopped");
    });
}

#[test]
fn an_ephemeral_one_ends_with_its_process() {
    run(async {
        let mut command = Process::new("ephemeral", Path::new("/"), &[]);
        let [root, data, sockets] = &command.said.clone()[..] else { panic!("{:?}", command.said) };
        assert!(Path::new(data).is_dir(), "{data}");
        command.kill();
        until("all of it is removed", async || ![root, data, sockets].iter().any(|path| Path::new(path).exists()))
            .await;
    });
}

#[test]
fn data_of_another_major_version_is_not_touched() {
    run(async {
        let root = project();
        let data = root.path().join(".datamart/postgres");
        std::fs::create_dir_all(&data).expect("a folder");
        std::fs::write(data.join("PG_VERSION"), "9\n").expect("a version");
        let error = embedded::start(options(root.path())).await.expect_err("refused");
        let installed = server().version.split('.').next().expect("a version").to_owned();
        let shown = data.canonicalize().expect("a path").display().to_string();
        assert_eq!(error.to_string(), format!("{shown} was made by PostgreSQL 9, and this machine has {installed}"));
        assert_eq!(error.kind(), "config");
        assert_eq!(
            error.way_out().expect("a way out"),
            format!("install PostgreSQL 9 beside it, or remove {shown} to start with an empty database")
        );
        let left: Vec<_> = std::fs::read_dir(&data).expect("a folder").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["PG_VERSION"]);
    });
}

#[test]
fn without_binaries_it_says_what_to_install() {
    let (root, empty) = (project(), project());
    let bin = empty.path().display().to_string();
    let command = Process::new("start", root.path(), &[("DATAMART_TEST_PG", ""), ("DATAMART_POSTGRES_BIN", &bin)]);
    let [error, kind, way_out] = &command.said[..] else { panic!("{:?}", command.said) };
    let looked = format!("DATAMART_POSTGRES_BIN={bin}");
    assert_eq!(*error, format!("the embedded server needs PostgreSQL's own programs, and found none ({looked})"));
    assert_eq!(kind, "config");
    assert!(way_out.starts_with("install the server with `") && way_out.contains("--database-url"), "{way_out}");
    assert!(!root.path().join(".datamart/postgres").exists());
}

#[test]
fn paths_and_names_may_be_odd() {
    run(async {
        let outer = project();
        let root = outer.path().join("Ventas año 'q' \"2024\" %20 ".to_owned() + &"long".repeat(30));
        std::fs::create_dir(&root).expect("a folder");
        let options = Options { database: "Año \"q\" %2F/?&#".into(), ..seeded(&root, "CREATE TABLE ñ (a int)") };
        let odd = start(&options).await;
        assert_eq!(odd.data_dir.parent().and_then(Path::parent), Some(&*root.canonicalize().expect("a path")));
        assert_eq!(count(&odd.endpoint(), "ñ").await, 0);
        assert_eq!(odd.endpoint().database(), options.database);
        let again = start(&options).await;
        assert!(!again.started && !again.created);
        again.stop().await.expect("left");
        odd.stop().await.expect("stopped");
    });
}

/// Says in a variable what a process of its own is to do.
const TASK: &str = "DATAMART_TEST_TASK";
const ROOT: &str = "DATAMART_TEST_ROOT";
const SAYS: &str = "says: ";

/// A command in a process of its own, until it is killed.
struct Process {
    child: Child,
    /// What it had to say.
    said: Vec<String>,
}

impl Process {
    fn new(task: &str, root: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "embedded::in_a_process_of_its_own", "--include-ignored", "--nocapture"]);
        command.env(TASK, task).env(ROOT, root).envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let said = lines.filter_map(|line| Some(line.split_once(SAYS)?.1.to_owned()));
        let said = said.take_while(|line| line != "done").collect();
        Self { child, said }
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "what the others run as a process of its own"]
fn in_a_process_of_its_own() {
    let Ok(task) = std::env::var(TASK) else { return };
    let options = match task.as_str() {
        "start" => options(Path::new(&std::env::var_os(ROOT).expect("a root"))),
        _ => ephemeral(),
    };
    let root = options.root.display().to_string();
    let server = run(embedded::start(options));
    let told = match &server {
        Ok(server) => {
            let sockets = run(value(&server.endpoint(), "SHOW unix_socket_directories"));
            [root, server.data_dir.display().to_string(), sockets]
        }
        Err(error) => [error.to_string(), error.kind().to_owned(), error.way_out().unwrap_or_default()],
    };
    let mut out = std::io::stdout();
    for line in told.iter().map(String::as_str).chain(["done"]) {
        writeln!(out, "{SAYS}{line}").and_then(|()| out.flush()).expect("heard");
    }
    // Until it is killed, or the one that started it is gone.
    let _ = std::io::stdin().lines().count();
}
