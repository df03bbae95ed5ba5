//! Reaching a database: what is said when that fails, and what never is.

use std::error::Error;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use datamart::database::{DatabaseError, Endpoint, ErrorKind, LockSession, resolve};
use datamart::manifest::Project;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::database::{Database, asks_for_password, run, server};
use crate::support::wait::until;

const SECRET: &str = "s3cr3t%20ñ";

/// Everything an error has to tell, for people and for programmers.
fn all_words(error: &dyn Error) -> String {
    let mut words = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        words += &format!(" {error} {error:?}");
        cause = error.source();
    }
    words
}

/// The error of a session at this address, none of whose words is the secret.
async fn refused(url: &str) -> DatabaseError {
    let endpoint = Endpoint::from_url(url).expect("an endpoint");
    assert!(!endpoint.label().contains("s3cr3t") && !format!("{endpoint:?}").contains("s3cr3t"));
    let error = endpoint.session("test").await.expect_err("no session");
    let words = all_words(&error);
    assert!(!words.contains("s3cr3t"), "{words}");
    assert!(error.to_string() == format!("cannot connect to {}", endpoint.label()), "{error}");
    error
}

async fn sockets() -> String {
    let mut conn = server().endpoint().session("tests").await.expect("a session");
    text(&mut conn, "SHOW unix_socket_directories").await
}

async fn text(conn: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(conn).await.expect("a value")
}

/// A role that has to give its password, `right`.
async fn role_with_password() -> String {
    let role = "with_password".to_owned();
    let mut conn = server().endpoint().session("tests").await.expect("a session");
    let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 'right'");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("a role");
    asks_for_password("all", &role).await;
    role
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    run(async {
        let role = role_with_password().await;
        let host = sockets().await;
        let url = |password: &str| format!("postgresql:///postgres?host={host}&user={role}&password={password}");
        let right = Endpoint::from_url(&url("right")).expect("an endpoint");
        assert_eq!(text(&mut right.session("test").await.expect("a session"), "SELECT session_user::text").await, role);
        for wrong in [SECRET, "s3cr3t%27%3B--", "s3cr3t"] {
            let error = refused(&url(wrong)).await;
            let sql = error.sql().expect("the server's words");
            assert_eq!((sql.kind, sql.is("28P01"), error.kind()), (ErrorKind::Authentication, true, "authentication"));
            assert_eq!(sql.message, "password authentication failed for user \"with_password\"");
            assert!(!error.transient());
        }
        let none = refused(&format!("postgresql:///postgres?host={host}&user={role}")).await;
        assert!(!none.transient(), "{none:?}");
    });
}

#[test]
fn nobody_there_may_pass() {
    run(async {
        // Of all ports the last one that somebody would be given meanwhile.
        let port = 1;
        let error = refused(&format!("postgres://ana:{SECRET}@127.0.0.1:{port}/shop")).await;
        assert_eq!(error.to_string(), format!("cannot connect to shop on 127.0.0.1:{port}"));
        let sql = error.sql().expect("the system's words");
        assert!(sql.message.to_lowercase().contains("connection refused"), "{sql:?}");
        assert!((sql.kind, &sql.sqlstate) == (ErrorKind::Connection, &None) && error.transient());

        let empty = tempfile::tempdir().expect("a folder");
        let error =
            refused(&format!("postgresql:///shop?host={}&user=ana&password={SECRET}", empty.path().display())).await;
        assert!(error.sql().expect("words").message.contains("No such file"), "{error:?}");
        assert!(error.kind() == "connection" && error.transient());
    });
}

#[test]
fn one_who_does_not_answer_is_not_waited_for() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let begun = Instant::now();
        let error = refused(&format!("postgres://ana:{SECRET}@127.0.0.1:{port}/shop?connect_timeout=1")).await;
        assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(50));
        assert_eq!(error.sql().expect("words").message, "no answer within 1 s");
        assert!(error.kind() == "connection" && error.transient());
    });
}

#[test]
fn what_is_not_there_is_named() {
    run(async {
        let host = sockets().await;
        let url =
            |database: &str, user: &str| format!("postgresql:///{database}?host={host}&user={user}&password={SECRET}");
        let error = refused(&url("no_shop", server().endpoint().role())).await;
        let sql = error.sql().expect("the server's words");
        assert_eq!((sql.kind, sql.is("3D000")), (ErrorKind::Missing, true));
        assert_eq!(sql.message, "database \"no_shop\" does not exist");

        let error = refused(&url("postgres", "nobody_we_know")).await;
        let sql = error.sql().expect("the server's words");
        assert_eq!((sql.kind, sql.is("28000")), (ErrorKind::Authentication, true));
        assert_eq!(sql.message, "role \"nobody_we_know\" does not exist");
        assert!(!error.transient());

        let database = Database::new().await;
        database.script("CREATE ROLE full_up LOGIN CONNECTION LIMIT 0").await;
        let error = refused(&url(&database.name, "full_up")).await;
        assert!(error.sql().expect("words").is("53300") && error.transient(), "a place may become free: {error:?}");
    });
}

#[test]
fn an_address_that_cannot_be_read_is_not_repeated() {
    run(async {
        let project = Project::default();
        let dir = tempfile::tempdir().expect("a folder");
        for bad in
            ["mysql://ana:s3cr3t@db/shop", "postgres://ana:s3cr3t@db:port/shop", "postgres://ana:s3cr3t@[::/shop"]
        {
            for (flag, variable, name) in [(Some(bad), None, "--database-url: "), (None, Some(bad), "DATABASE_URL: ")] {
                let error = resolve(flag, variable, &project, dir.path()).await.expect_err("refused");
                assert!(error.to_string().starts_with(name) && error.kind() == "config", "{error}");
                let words = all_words(&error);
                assert!(!words.contains("s3cr3t"), "{words}");
            }
        }
        let good = resolve(Some(&format!("postgres://ana:{SECRET}@db/shop")), None, &project, dir.path()).await;
        let reach = good.expect("not tried yet");
        assert!(reach.endpoint.url().contains("s3cr3t"), "for programs");
        assert!(!format!("{reach:?}").contains("s3cr3t"));
    });
}

#[test]
fn a_session_has_our_settings() {
    run(async {
        let database = Database::new().await;
        let strange = [
            "search_path = strange",
            "statement_timeout = '1ms'",
            "lock_timeout = '1ms'",
            "idle_in_transaction_session_timeout = '1s'",
            "default_transaction_isolation = 'serializable'",
        ];
        let strange = strange.map(|setting| format!("ALTER DATABASE {} SET {setting}", database.name));
        database.script(&strange.join("; ")).await;
        let mut conn = database.endpoint.session("plan").await.expect("a session");
        settled(&mut conn, "plan").await;
        // Keys go as parameters, and are nothing for the server's log.
        assert_eq!(text(&mut conn, "SHOW is_superuser").await, "on");
        assert_eq!(text(&mut conn, "SHOW log_parameter_max_length").await, "0");
    });
}

async fn settled(conn: &mut PgConnection, purpose: &str) {
    for (setting, expected) in [
        ("application_name", format!("datamart: {purpose}").as_str()),
        ("search_path", "pg_catalog,pg_temp"),
        ("client_min_messages", "warning"),
        ("idle_in_transaction_session_timeout", "0"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("default_transaction_isolation", "read committed"),
        ("client_connection_check_interval", "2s"),
    ] {
        assert_eq!(text(conn, &format!("SHOW {setting}")).await, expected, "{setting}");
    }
}

#[test]
fn a_session_goes_past_the_pooler_where_a_way_is_known() {
    run(async {
        let database = Database::new().await;
        let closed = tempfile::tempdir().expect("a folder");
        let url = format!("postgresql:///{}?host={}&user=ana", database.name, closed.path().display());
        let endpoint = Endpoint::from_url(&url).expect("an endpoint").with_direct(database.endpoint.clone());
        assert!(endpoint.has_direct());
        let mut conn = endpoint.session("test").await.expect("a session by the direct address");
        assert_eq!(text(&mut conn, "SELECT current_database()::text").await, database.name);
        LockSession::open(&endpoint, "datamart", "shop", "apply").await.expect("a lock session by the direct address");
    });
}

/// A pgbouncer before the run's server, as long as this lives.
struct Pooler {
    process: Child,
    folder: tempfile::TempDir,
}

impl Pooler {
    /// `None` where the machine has none.
    async fn start(settings: &str) -> Option<Self> {
        let found = Command::new("pgbouncer").arg("--version").output();
        if found.is_err() {
            println!("skipped: no pgbouncer on this machine");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let config = path.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port=5432 user={}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n\
             unix_socket_dir = {}\nauth_type = any\n{settings}\n",
            sockets().await,
            server().endpoint().role(),
            path.display()
        );
        std::fs::write(&config, text).expect("a configuration");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        // It does not run as root either; the server's user may enter the socket's folder.
        let owner = std::fs::metadata(&server().data_dir).expect("the server's data");
        chown(path, Some(owner.uid()), Some(owner.gid())).expect("its folder");
        let mut command = Command::new("pgbouncer");
        command.arg(&config).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if nix::unistd::Uid::effective().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let process = command.spawn().expect("pgbouncer runs");
        let pooler = Self { process, folder };
        until("pgbouncer answers", async || {
            let tried = pooler.endpoint("postgres").session("test").await;
            !matches!(tried, Err(error) if error.transient())
        })
        .await;
        Some(pooler)
    }

    fn endpoint(&self, database: &str) -> Endpoint {
        let host = self.folder.path().display();
        let url = format!("postgresql:///{database}?host={host}&port=6432&user=ana");
        Endpoint::from_url(&url).expect("an endpoint")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_pooler_in_transaction_mode_is_refused_with_the_way_out() {
    run(async {
        for settings in ["", "ignore_startup_parameters = options"] {
            let Some(pooler) = Pooler::start(&format!("pool_mode = transaction\n{settings}")).await else { return };
            let database = Database::new().await;
            let endpoint = pooler.endpoint(&database.name);
            let by_session = endpoint.session("test").await.map(drop);
            let by_lock = LockSession::open(&endpoint, "datamart", "shop", "apply").await.map(drop);
            for outcome in [by_session, by_lock] {
                let error = outcome.expect_err("refused");
                assert!(matches!(error, DatabaseError::Pooler { .. }), "{error:?}");
                let words = error.to_string();
                assert!(
                    words.starts_with(endpoint.label()) && words.contains("set direct_url in [database]"),
                    "{words}"
                );
                assert_eq!(error.kind(), "config");
            }
            let direct = pooler.endpoint(&database.name).with_direct(database.endpoint.clone());
            LockSession::open(&direct, "datamart", "shop", "apply").await.expect("past it");
        }
    });
}

#[test]
fn a_pool_of_one_is_no_silence() {
    run(async {
        for settings in ["", "ignore_startup_parameters = options"] {
            let settings = format!("pool_mode = transaction\ndefault_pool_size = 1\n{settings}");
            let Some(pooler) = Pooler::start(&settings).await else { return };
            let error = pooler.endpoint("postgres").session("test").await.expect_err("refused");
            assert!(matches!(error, DatabaseError::Pooler { .. }), "{error:?}");
        }
    });
}

#[test]
fn a_pooler_in_session_mode_is_as_good_as_none() {
    run(async {
        for settings in ["", "ignore_startup_parameters = options"] {
            let Some(pooler) = Pooler::start(&format!("pool_mode = session\n{settings}")).await else { return };
            let database = Database::new().await;
            let endpoint = pooler.endpoint(&database.name);
            settled(&mut endpoint.session("plan").await.expect("a session"), "plan").await;
            let mut lock = LockSession::open(&endpoint, "datamart", "shop", "apply").await.expect("a lock session");
            lock.acquire("apply", Duration::ZERO).await.expect("free");
            lock.close().await.expect("closed");
        }
    });
}

/// A socket on this machine has none of them, but the server keeps what it was asked for.
#[test]
fn nothing_is_held_for_long_for_a_machine_that_is_gone() {
    run(async {
        let endpoint = server().endpoint();
        let mut sessions = vec![endpoint.session("test").await.expect("a session")];
        sessions.push(endpoint.worker("test").await.expect("a session"));
        let asked = "SELECT string_agg(concat_ws(' ', name, reset_val, source), ', ' ORDER BY name) FROM pg_settings \
                     WHERE name LIKE 'tcp%'";
        for conn in &mut sessions {
            let expected = "tcp_keepalives_count 3 client, tcp_keepalives_idle 10 client, \
                            tcp_keepalives_interval 5 client, tcp_user_timeout 25000 client";
            assert_eq!(text(conn, asked).await, expected);
        }
    });
}
