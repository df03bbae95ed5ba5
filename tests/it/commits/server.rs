//! A server that crashes, and transactions that are prepared.

use std::path::Path;

use datamart::database::embedded::{self, Embedded, Options};
use datamart::refresh::{How, RunStatus};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::shop::{BY_KIND, BY_REGION, Shop, TOTALS, done, tried};
use crate::support::database::{Database, run};
use crate::support::postgresql::binaries;
use crate::support::wait::until;

/// A server that prepares transactions.
pub async fn start(root: &Path) -> Embedded {
    let settings = vec![("max_prepared_transactions".to_owned(), "10".to_owned())];
    let options = Options { binaries: binaries(), settings, ..Options::beside(root) };
    embedded::start(options).await.expect("the server starts")
}

/// As a loss of power ends it.
pub async fn crash(server: &Embedded) {
    let pid = std::fs::read_to_string(server.data_dir.join("postmaster.pid")).expect("a pid file");
    let pid = Pid::from_raw(pid.lines().next().and_then(|line| line.parse().ok()).expect("a pid"));
    kill(pid, Signal::SIGQUIT).expect("a server");
    let ended = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
    until("the server ends", async || ended()).await;
}

#[test]
fn prepared_transactions_and_crashes_leave_marts_exact() {
    run(async {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        let server = start(root.path()).await;
        let database = Database { endpoint: server.endpoint(), name: "postgres".to_owned() };
        let shop = Shop::within(database, &[BY_KIND, BY_REGION, TOTALS]).await;
        let mut conn = shop.session().await;
        done(&mut conn, "BEGIN; INSERT INTO orders VALUES (100, 60, 'k1', 5); PREPARE TRANSACTION 'one'").await;
        shop.is_exact("prepared").await;
        // Its groups wait for it.
        let late = "SET lock_timeout = '200ms'; INSERT INTO customers VALUES (60, 'far')";
        assert_eq!(tried(&mut conn, late).await, Err("55P03".to_owned()));
        done(&mut conn, "RESET lock_timeout").await;
        done(&mut conn, "COMMIT PREPARED 'one'").await;
        shop.is_exact("committed").await;
        done(&mut conn, "INSERT INTO customers VALUES (60, 'far')").await;
        shop.is_exact("the other half").await;
        done(&mut conn, "BEGIN; DELETE FROM orders WHERE id = 100; PREPARE TRANSACTION 'two'").await;
        crash(&server).await;
        let server = start(root.path()).await;
        shop.is_exact("after a crash").await;
        let mut conn = shop.session().await;
        done(&mut conn, "COMMIT PREPARED 'two'").await;
        shop.is_exact("prepared before the crash").await;
        done(&mut conn, "INSERT INTO orders VALUES (101, 60, 'k1', 5)").await;
        shop.is_exact("the next commit").await;
        done(&mut conn, "BEGIN ISOLATION LEVEL SERIALIZABLE; DELETE FROM customers WHERE id = 60; COMMIT").await;
        shop.is_exact("a serializable one").await;
        for run in shop.refreshed(How::AsDeclared).await {
            assert_eq!(run.status, RunStatus::Noop, "{run:#?}");
        }
        // Nothing is as it was only because nobody asks: the logs tell what comes from here on.
        done(&mut conn, "INSERT INTO orders VALUES (102, 1, 'k1', 5)").await;
        for run in shop.refreshed(How::AsDeclared).await {
            assert!(!run.reason.contains("crash") && run.rows_inserted == Some(0), "{run:#?}");
        }
        shop.is_exact("refreshed").await;
        server.stop().await.expect("an end");
    });
}
