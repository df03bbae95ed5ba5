//! What production does to a daemon.

use std::path::Path;

use datamart::database::Endpoint;
use datamart::database::embedded::{self, Embedded, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::AssertSqlSafe;

use super::rig::{self, CHAIN, Daemon, numbers};
use crate::cli::rig::{bare, folder};
use crate::support::database::run;
use crate::support::folder::Folder;
use crate::support::postgresql::binaries;
use crate::support::wait::until;

/// A server of its own, with a project of five marts that are refreshed again and again.
struct Five {
    folder: Folder,
    root: tempfile::TempDir,
    server: Embedded,
    settings: Vec<(String, String)>,
}

impl Five {
    fn start(settings: &[(&str, &str)]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let server = start(root.path(), &settings);
        let mart = |i: u32| {
            let text = format!(
                "type = \"{}\"\nquery = \"SELECT count(*) AS n, {i} AS i FROM numbers, nap\"\n\
                 [refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n",
                if i.is_multiple_of(2) { "table" } else { "materialized_view" }
            );
            (format!("m{i}.toml"), text)
        };
        let mut manifests: Vec<(String, String)> = (0..5).map(mart).collect();
        let project = "[project]\nname = \"shop\"\n[limits]\nparallel_refreshes = 5\n[database]\nconnections = 10\n";
        manifests.push(("project.toml".to_owned(), project.to_owned()));
        let folder = folder(&manifests.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>());
        let five = Self { folder, root, server, settings };
        five.sql(
            "CREATE TABLE public.numbers (n int PRIMARY KEY); CREATE TABLE public.naps (seconds float8); \
             INSERT INTO public.naps VALUES (0); CREATE VIEW public.nap AS SELECT pg_sleep(seconds)::text AS slept FROM public.naps",
        );
        let mut apply = five.command(&["apply", "--auto-approve", "-q"]);
        assert!(apply.output().expect("the binary").status.success());
        five
    }

    fn endpoint(&self) -> Endpoint {
        self.server.endpoint()
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = bare(self.folder.path(), args);
        command.env("DATABASE_URL", self.endpoint().url());
        command
    }

    fn sql(&self, sql: &str) {
        run(async {
            let mut conn = self.endpoint().session("test").await.expect("a session");
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("a script");
        });
    }

    /// Waits until a query gives true; where the server is out of reach, it does not yet.
    fn until(&self, condition: &str) {
        run(until(condition, async || {
            let Ok(mut conn) = self.endpoint().session("test").await else { return false };
            let answer = sqlx::query_scalar(AssertSqlSafe(condition.to_owned())).fetch_one(&mut conn).await;
            answer.is_ok_and(|answer: Option<bool>| answer == Some(true))
        }));
    }

    fn until_all_have(&self, n: u32) {
        self.until(&format!(
            "SELECT min(n) = {n} FROM (SELECT n FROM public.m0 UNION ALL SELECT n FROM public.m1 UNION ALL SELECT n FROM public.m2 \
             UNION ALL SELECT n FROM public.m3 UNION ALL SELECT n FROM public.m4) AS m"
        ));
    }

    /// Kills the server as a crash of the machine would, and starts it again.
    fn restart(&mut self, signal: Signal) {
        let pid = std::fs::read_to_string(self.server.data_dir.join("postmaster.pid")).expect("a pid file");
        let pid = Pid::from_raw(pid.lines().next().and_then(|line| line.parse().ok()).expect("a pid"));
        kill(pid, signal).expect("a server");
        // Its end is noticed by us, whose child it is, later.
        run(until("the server ends", async || is_dead(pid)));
        self.server = start(self.root.path(), &self.settings);
    }
}

fn is_dead(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

fn start(root: &Path, settings: &[(String, String)]) -> Embedded {
    let options = Options { binaries: binaries(), settings: settings.to_vec(), ..Options::beside(root) };
    run(embedded::start(options)).expect("the server starts")
}

const FIVE_AT_WORK: &str = "SELECT count(*) = 5 FROM pg_stat_activity WHERE application_name LIKE 'datamart: refresh _' \
                            AND wait_event = 'PgSleep'";

#[test]
fn postgresql_is_restarted_in_the_middle_of_five_refreshes() {
    let mut five = Five::start(&[]);
    let daemon = Daemon::start(five.command(&["daemon"]));
    five.until_all_have(0);
    for (n, signal) in [(1, Signal::SIGQUIT), (2, Signal::SIGKILL), (3, Signal::SIGINT)] {
        five.sql(&format!("UPDATE public.naps SET seconds = 30; INSERT INTO public.numbers VALUES ({n})"));
        five.until(FIVE_AT_WORK);
        five.restart(signal);
        five.sql("UPDATE public.naps SET seconds = 0");
        five.until_all_have(n);
    }
    let log = daemon.stopped();
    assert!(log.contains("leadership lost") && log.contains("out of reach"), "{log}");
    five.until("SELECT count(*) = 0 FROM datamart.refreshes WHERE status IN ('running', 'queued')");
    five.until("SELECT count(*) = 0 FROM pg_class WHERE relname LIKE '%\\_\\_next%'");
    run(five.server.stop()).expect("stopped");
}

#[test]
fn the_server_is_out_of_connections() {
    let five = Five::start(&[("max_connections", "16"), ("superuser_reserved_connections", "0")]);
    let daemon = Daemon::start(five.command(&["daemon"]));
    five.until("SELECT count(*) > 4 FROM datamart.refreshes WHERE status = 'success'");
    run(async {
        // Somebody takes all there are, whenever one is free.
        let mut held = Vec::new();
        until("no session is to be had, and the daemon says so", async || {
            while let Ok(conn) = five.endpoint().session("somebody").await {
                held.push(conn);
            }
            let conn = held.last_mut().expect("a session");
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'datamart: refresh%'";
            sqlx::raw_sql(sql).execute(&mut *conn).await.expect("ended");
            daemon.log().contains("the run could not begin")
        })
        .await;
        sqlx::raw_sql("INSERT INTO public.numbers VALUES (1)")
            .execute(held.last_mut().expect("one"))
            .await
            .expect("a row");
    });
    five.until_all_have(1);
    daemon.stopped();
    run(five.server.stop()).expect("stopped");
}

#[test]
fn a_lock_is_held_for_long() {
    let rig = numbers(CHAIN);
    let daemon = Daemon::of(&rig, &[]);
    rig::until(&rig, "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'success' AND mart = 'every'");
    // On a source: the run waits for it, and fails as locks do; it is tried again.
    let held = rig.hold("LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE");
    rig::until(
        &rig,
        "SELECT count(*) > 0 FROM datamart.refreshes WHERE status = 'failed' AND error ->> 'kind' = 'lock'",
    );
    held.release();
    rig.sql("INSERT INTO numbers VALUES (1)");
    rig::until(&rig, "SELECT n = 1 FROM last");
    // On a mart, by a refresh of somebody else: nothing is written of what cannot begin.
    let key = datamart::database::lock::lock_key("datamart", "shop", "mart:public.every");
    let held = rig.hold(&format!("SELECT pg_advisory_lock({key})"));
    rig.sql("INSERT INTO numbers VALUES (2)");
    daemon.until_said("the lock mart:public.every is held by another session");
    held.release();
    rig::until(&rig, "SELECT n = 2 FROM last");
    daemon.stopped();
    assert_eq!(rig.value("SELECT count(*) FROM datamart.refreshes WHERE status = 'failed' AND error ->> 'message' LIKE '%held by another session%'"), "0");
}
