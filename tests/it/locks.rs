//! Locks between datamart's own processes: who has one, who is told, how it is given back.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use datamart::database::lock::{Holder, holders, lock_key, terminate};
use datamart::database::{Endpoint, LockError, LockSession, registry};
use sqlx::PgConnection;

use crate::support::database::{Database, run};
use crate::support::wait::until;

const REGISTRY: &str = "datamart";
const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(20);

async fn with_registry() -> Database {
    let database = Database::new().await;
    let mut conn = database.session().await;
    assert!(registry::migrate(&mut conn, REGISTRY).await.expect("a registry"));
    database
}

async fn session(database: &Database, purpose: &str) -> LockSession {
    LockSession::open(&database.endpoint, REGISTRY, "shop", purpose).await.expect("a lock session")
}

async fn seen(database: &Database) -> Vec<Holder> {
    holders(&mut database.session().await, REGISTRY).await.expect("the holders")
}

/// The holder that a refusal names.
fn refused(outcome: Result<(), LockError>) -> (String, Option<i32>, Option<String>, Option<String>) {
    match outcome {
        Err(LockError::Held { name, pid, host, application, since }) => {
            let age = Utc::now() - since.expect("since when");
            assert!(age < TimeDelta::seconds(60) && age > TimeDelta::seconds(-5), "{age}");
            (name, pid, host, application)
        }
        other => panic!("{other:?}"),
    }
}

fn this_host() -> String {
    nix::unistd::gethostname().expect("a host name").to_string_lossy().into_owned()
}

#[test]
fn the_second_one_is_told_who_has_it() {
    run(async {
        let database = with_registry().await;
        let (mut first, mut second) = (session(&database, "apply").await, session(&database, "refresh").await);
        first.acquire("apply", AT_ONCE).await.expect("free");
        first.acquire("apply", AT_ONCE).await.expect("ours already");
        let error = second.acquire("apply", AT_ONCE).await.expect_err("held");
        assert_eq!(error.kind(), "lock");
        let told = error.to_string();
        let facts = format!("(datamart: apply, on {}, pid {}, since ", this_host(), first.pid());
        assert!(told.starts_with("the lock apply is held by another session ") && told.contains(&facts), "{told}");
        let expected = ("apply".to_owned(), Some(first.pid()), Some(this_host()), Some("datamart: apply".to_owned()));
        assert_eq!(refused(Err(error)), expected);
        assert!(first.holds("apply") && !second.holds("apply"));
        let [holder] = &seen(&database).await[..] else { panic!("not one") };
        assert_eq!((holder.project.as_deref(), holder.name.as_deref()), (Some("shop"), Some("apply")));
        assert_eq!((holder.key, holder.pid), (lock_key(REGISTRY, "shop", "apply"), first.pid()));
    });
}

#[test]
fn another_project_or_registry_is_another_lock() {
    run(async {
        let database = with_registry().await;
        let mut first = session(&database, "apply").await;
        first.acquire("apply", AT_ONCE).await.expect("free");
        for (schema, project) in [(REGISTRY, "other"), ("elsewhere", "shop")] {
            let mut other = LockSession::open(&database.endpoint, schema, project, "apply").await.expect("a session");
            other.acquire("apply", AT_ONCE).await.expect("another lock");
        }
        refused(session(&database, "apply").await.acquire("apply", AT_ONCE).await);
    });
}

#[test]
fn without_a_registry_the_server_tells_what_it_knows() {
    run(async {
        let database = Database::new().await;
        let (mut first, mut second) = (session(&database, "apply").await, session(&database, "apply").await);
        first.acquire("apply", AT_ONCE).await.expect("free");
        let known = (Some(first.pid()), None, Some("datamart: apply".to_owned()));
        let (name, pid, host, application) = refused(second.acquire("apply", AT_ONCE).await);
        assert_eq!((name.as_str(), (pid, host, application)), ("apply", known));
        assert_eq!(seen(&database).await[0].name, None);
        // The first apply makes the registry while it holds the lock.
        registry::migrate(&mut database.session().await, REGISTRY).await.expect("a registry");
        first.announce().await.expect("a row");
        let (_, pid, host, _) = refused(second.acquire("apply", AT_ONCE).await);
        assert_eq!((pid, host), (Some(first.pid()), Some(this_host())));
        assert_eq!(seen(&database).await[0].name.as_deref(), Some("apply"));
    });
}

#[test]
fn a_row_whose_session_is_gone_means_nothing() {
    run(async {
        let database = with_registry().await;
        let key = lock_key(REGISTRY, "shop", "apply");
        let left = format!("INSERT INTO datamart.locks VALUES ({key}, 'shop', 'apply', 1, 'ghost', 'datamart: ghost')");
        database.script(&left).await;
        assert_eq!(seen(&database).await, []);
        let (mut first, mut second) = (session(&database, "apply").await, session(&database, "apply").await);
        first.acquire("apply", AT_ONCE).await.expect("nobody has it");
        assert_eq!(database.value("SELECT pid FROM datamart.locks").await, first.pid().to_string());
        // A holder that could not write its row is not taken for the one that left its own.
        database.script(&format!("DELETE FROM datamart.locks; {left}")).await;
        let (_, pid, host, application) = refused(second.acquire("apply", AT_ONCE).await);
        assert_eq!((pid, host), (Some(first.pid()), None));
        assert_eq!(application.as_deref(), Some("datamart: apply"));
    });
}

#[test]
fn a_session_waits_for_its_turn() {
    run(async {
        let database = with_registry().await;
        let (mut first, mut second) = (session(&database, "apply").await, session(&database, "apply").await);
        first.acquire("apply", AT_ONCE).await.expect("free");
        let begun = Instant::now();
        refused(second.acquire("apply", Duration::from_millis(150)).await);
        assert!(begun.elapsed() >= Duration::from_millis(150));

        let tries = format!("SELECT query_start FROM pg_stat_activity WHERE pid = {}", second.pid());
        let before = database.value(&tries).await;
        let waiting = async { second.acquire("apply", LONG).await.expect("had in the end") };
        let releasing = async {
            until("the second one tries", async || database.value(&tries).await != before).await;
            first.release("apply").await.expect("given back");
        };
        tokio::join!(waiting, releasing);
        assert!(second.holds("apply") && !first.holds("apply"));
        assert_eq!(refused(first.acquire("apply", AT_ONCE).await).1, Some(second.pid()));
    });
}

#[test]
fn what_is_given_back_is_free_and_leaves_no_row() {
    run(async {
        let database = with_registry().await;
        let mut first = session(&database, "apply").await;
        first.acquire_all(&["a", "b"], AT_ONCE).await.expect("free");
        first.release("never held").await.expect("passed by");
        first.release("a").await.expect("given back");
        assert_eq!(database.value("SELECT string_agg(name, ' ') FROM datamart.locks").await, "b");
        let mut second = session(&database, "apply").await;
        second.acquire("a", AT_ONCE).await.expect("free again");
        refused(second.acquire("b", AT_ONCE).await);
        first.close().await.expect("closed");
        second.acquire("b", AT_ONCE).await.expect("free again");
        // A session that just ends, as a killed command's does.
        drop(second);
        let mut third = session(&database, "apply").await;
        third.acquire_all(&["a", "b"], LONG).await.expect("free when the server notices");
        assert_eq!(
            database.value(&format!("SELECT count(*) FROM datamart.locks WHERE pid = {}", third.pid())).await,
            "2"
        );
    });
}

#[test]
fn all_or_none() {
    run(async {
        let database = with_registry().await;
        let (mut first, mut second) = (session(&database, "refresh").await, session(&database, "refresh").await);
        first.acquire("b", AT_ONCE).await.expect("free");
        second.acquire("z", AT_ONCE).await.expect("free");
        assert_eq!(refused(second.acquire_all(&["a", "b", "c", "z"], AT_ONCE).await).0, "b");
        assert!(["a", "b", "c"].iter().all(|name| !second.holds(name)) && second.holds("z"));
        let names = |seen: Vec<Holder>| seen.into_iter().filter_map(|h| h.name).collect::<Vec<_>>();
        assert_eq!(names(seen(&database).await), ["b", "z"]);
        let mut third = session(&database, "refresh").await;
        third.acquire_all(&["a", "c"], AT_ONCE).await.expect("given back at once");
        third.close().await.expect("closed");
        first.release("b").await.expect("given back");
        second.acquire_all(&["c", "a", "b", "a"], AT_ONCE).await.expect("all free");
        for name in ["a", "b", "c"] {
            second.release(name).await.expect("given back");
        }
        assert_eq!(names(seen(&database).await), ["z"]);
    });
}

async fn alive(conn: &mut PgConnection) -> bool {
    sqlx::raw_sql("SELECT 1").execute(conn).await.is_ok()
}

#[test]
fn only_a_holder_of_ours_is_ended() {
    run(async {
        for registered in [true, false] {
            let database = if registered { with_registry().await } else { Database::new().await };
            let mut admin = database.session().await;
            let end = async |admin: &mut PgConnection, pid| terminate(admin, REGISTRY, pid).await.expect("an answer");
            let mut holder = session(&database, "apply").await;
            holder.acquire("apply", AT_ONCE).await.expect("free");
            // One with a lock of its own, one of ours without any.
            let mut stranger = database.session().await;
            let strange = "SET application_name = 'psql'; SELECT pg_advisory_lock(42)";
            sqlx::raw_sql(strange).execute(&mut stranger).await.expect("a lock");
            let mut idle = database.session().await;
            for conn in [&mut stranger, &mut idle] {
                let pid: i32 =
                    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *conn).await.expect("a pid");
                assert!(!end(&mut admin, pid).await);
                assert!(alive(conn).await);
            }
            assert!(end(&mut admin, holder.pid()).await);
            let mut next = session(&database, "apply").await;
            next.acquire("apply", LONG).await.expect("free when its session is gone");
            assert!(!end(&mut admin, holder.pid()).await, "it is gone");
            assert!(holder.acquire("more", AT_ONCE).await.is_err());
        }
    });
}

#[test]
fn a_role_that_may_not_read_the_registry_is_kept_out_all_the_same() {
    run(async {
        let database = with_registry().await;
        let role = format!("{}_reader", database.name);
        database.script(&format!("CREATE ROLE {role} LOGIN")).await;
        let ours = format!("user={}", database.endpoint.role());
        let url = database.endpoint.url().replace(&ours, &format!("user={role}"));
        let endpoint = Endpoint::from_url(&url).expect("an endpoint");
        assert_eq!(endpoint.role(), role);
        let mut first = session(&database, "apply").await;
        first.acquire("apply", AT_ONCE).await.expect("free");
        let mut other = LockSession::open(&endpoint, REGISTRY, "shop", "apply").await.expect("a session");
        let error = other.acquire("apply", AT_ONCE).await.expect_err("held");
        assert!(matches!(&error, LockError::Held { name, .. } if name == "apply"), "{error:?}");
        other.acquire("other", AT_ONCE).await.expect("no row, but the lock");
        refused(first.acquire("other", AT_ONCE).await);
    });
}
