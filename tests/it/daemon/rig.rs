//! A daemon at work.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli::rig::Rig;
use crate::support::wait::PATIENCE;

/// Between two looks.
const MOMENT: Duration = Duration::from_millis(5);

/// A daemon. It is killed with its test.
pub struct Daemon {
    child: Child,
    log: tempfile::NamedTempFile,
}

impl Daemon {
    /// Starts it in a rig's folder, on its database.
    pub fn of(rig: &Rig, args: &[&str]) -> Self {
        let args: Vec<&str> = ["daemon"].iter().chain(args).copied().collect();
        Self::start(rig.command(&args))
    }

    /// Starts a command.
    pub fn start(mut command: Command) -> Self {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let stderr = log.reopen().expect("a file");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        Self { child: command.spawn().expect("the binary"), log }
    }

    /// What it said up to now.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).expect("a log")
    }

    /// Waits until it said this.
    pub fn until_said(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "never said {words}:\n{}", self.log());
            std::thread::sleep(MOMENT);
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"))
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a process");
    }

    /// Waits for its end: the exit code, or the signal as a negative number, and what it said.
    pub fn ended(mut self) -> (i32, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                let log = self.log();
                assert!(!log.contains("panicked"), "{log}");
                return (status.code().or(status.signal().map(|signal| -signal)).expect("an end"), log);
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(MOMENT);
        }
    }

    /// Asks it to stop, and waits for that.
    pub fn stopped(self) -> String {
        self.signal(Signal::SIGTERM);
        let (code, log) = self.ended();
        assert_eq!(code, 0, "{log}");
        log
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- the daemon said\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A table of numbers, and marts that follow it by themselves: `every` each second, `next` after it, `last` after that.
pub const CHAIN: &[(&str, &str)] = &[
    ("project.toml", "[project]\nname = \"shop\"\n"),
    (
        "every.toml",
        "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n\
         [refresh]\nstrategy = \"scheduled\"\nschedule = \"1s\"\n[[indexes]]\ncolumns = [\"n\"]\nunique = true\n",
    ),
    ("next.toml", "type = \"table\"\nquery = \"SELECT n FROM every\"\n"),
    ("between.toml", "type = \"view\"\nquery = \"SELECT n FROM next\"\n"),
    ("last.toml", "type = \"table\"\nquery = \"SELECT n FROM between\"\n"),
];

/// A rig with these marts, applied, over an empty table.
pub fn numbers(manifests: &[(&str, &str)]) -> Rig {
    let rig = Rig::of(manifests);
    rig.sql("CREATE TABLE numbers (n int PRIMARY KEY)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig
}

/// The history as `mart status cause`, oldest first.
pub fn history(rig: &Rig) -> Vec<String> {
    let runs = rig.value(
        "SELECT string_agg(concat_ws(' ', mart, status, cause), ', ' ORDER BY run) FROM datamart.refreshes \
         WHERE status <> 'queued'",
    );
    runs.split(", ").map(str::to_owned).collect()
}

/// Waits until a query gives true; its names are looked for in `public`.
#[track_caller]
pub fn until(rig: &Rig, condition: &str) {
    rig.until(condition);
}

/// Waits until the server has seen our sessions go, whose process has ended.
#[track_caller]
pub fn until_no_sessions(rig: &Rig) {
    until(rig, &format!("SELECT ({SESSIONS}) = 0"));
}

/// How many sessions of ours there are in the database of a rig.
pub const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                            AND application_name LIKE 'datamart: %' AND application_name <> 'datamart: test'";
