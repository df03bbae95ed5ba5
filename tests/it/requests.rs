//! What is asked of a daemon through the registry.

use datamart::plan;
use datamart::refresh::{self, Asked, How, Stopped};
use datamart::state::QName;
use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::converge;
use crate::support::wait::until;

async fn shop() -> (Database, PgConnection) {
    let database = Database::new().await;
    let mart = |n: u32| format!("type = \"materialized_view\"\nquery = \"SELECT {n} AS n\"\n");
    let (a, b) = (mart(1), mart(2));
    let folder = Folder::of(&[("a.toml", a.as_str()), ("b.toml", b.as_str())]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    let conn = database.session().await;
    (database, conn)
}

fn marts() -> Vec<QName> {
    ["b", "a"].map(|name| QName::new("public", name)).to_vec()
}

#[test]
fn a_request_waits_in_the_history_and_wakes_the_daemons() {
    run(async {
        let (database, mut conn) = shop().await;
        let mut listener = PgListener::connect(database.endpoint.url()).await.expect("a listener");
        listener.listen("datamart_wake").await.expect("to listen");
        let asked = Asked { how: How::Incremental, days: Some(2), concurrent: Some(true), ..Asked::default() };
        let ids = refresh::enqueue(&mut conn, "datamart", "default", &marts(), &asked, "ana").await.expect("ids");
        let woken = listener.recv().await.expect("a notification");
        assert_eq!(woken.payload(), r#"{"project" : "default", "what" : "runs"}"#);
        let rows = sqlx::query(
            "SELECT run, mart, status, request, options::text, cause, requested_by FROM datamart.refreshes ORDER BY run",
        );
        let rows = rows.fetch_all(&mut conn).await.expect("rows");
        let row = |i: usize| {
            let row = &rows[i];
            let text = |column: &str| row.get::<String, _>(column);
            (
                row.get::<i64, _>(0),
                text("mart"),
                text("status"),
                row.get::<i64, _>("request"),
                text("options"),
                text("cause"),
            )
        };
        let options = r#"{"how": "incremental", "days": 2, "concurrent": true}"#;
        let expected = |run, mart: &str| {
            (run, mart.to_owned(), "queued".to_owned(), ids[0], options.to_owned(), "request".to_owned())
        };
        assert_eq!((row(0), row(1)), (expected(ids[0], "b"), expected(ids[1], "a")));
        // The same once more is the same request; another one is another.
        let again = refresh::enqueue(&mut conn, "datamart", "default", &marts(), &asked, "ben").await.expect("ids");
        assert_eq!(again, ids);
        let other = refresh::enqueue(&mut conn, "datamart", "default", &marts()[..1], &Asked::default(), "ben").await;
        assert!(!ids.contains(&other.expect("ids")[0]));
        assert_eq!(database.value("SELECT count(*) FROM datamart.refreshes").await, "3");
    });
}

#[test]
fn a_run_that_waits_is_cancelled_and_never_begins() {
    run(async {
        let (database, mut conn) = shop().await;
        let ids =
            refresh::enqueue(&mut conn, "datamart", "default", &marts(), &Asked::default(), "ana").await.expect("ids");
        let cancel = async |conn: &mut PgConnection, project, id| {
            refresh::cancel(conn, "datamart", project, id, "ben").await.expect("an answer")
        };
        assert_eq!(cancel(&mut conn, "another", ids[0]).await, Stopped::Unknown);
        assert_eq!(cancel(&mut conn, "default", 4_711).await, Stopped::Unknown);
        assert_eq!(cancel(&mut conn, "default", ids[0]).await, Stopped::Queued);
        assert_eq!(cancel(&mut conn, "default", ids[0]).await, Stopped::Ended);
        let told =
            "SELECT string_agg(status || coalesce(error ->> 'message', ''), ',' ORDER BY run) FROM datamart.refreshes";
        assert_eq!(database.value(told).await, "cancelledcancelled by ben,queued");
    });
}

#[test]
fn a_run_at_work_is_cancelled_on_the_server_while_it_is_that_run() {
    run(async {
        let (database, mut conn) = shop().await;
        let mut worker = database.session().await;
        let begun = "INSERT INTO datamart.refreshes (project, schema, mart, status, started_at, pid)
                     VALUES ('default', 'public', 'a', 'running', clock_timestamp(), pg_backend_pid()) RETURNING run";
        let id: i64 = sqlx::query_scalar(begun).fetch_one(&mut worker).await.expect("a run");
        let work = sqlx::raw_sql("SELECT pg_sleep(60)").execute(&mut worker);
        let stop = async {
            until("it sleeps", async || {
                database.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(60)' AND state = 'active'").await == "1"
            })
            .await;
            refresh::cancel(&mut conn, "datamart", "default", id, "ben").await
        };
        let (work, stopped) = futures_util::future::join(work, stop).await;
        assert_eq!(stopped.expect("an answer"), Stopped::Told);
        assert!(work.expect_err("cancelled").to_string().contains("user request"));
        // Another run's number does not reach the session, nor does this one after its end.
        let ended = format!("UPDATE datamart.refreshes SET status = 'cancelled' WHERE run = {id}");
        sqlx::raw_sql(AssertSqlSafe(ended)).execute(&mut worker).await.expect("an end");
        assert_eq!(
            refresh::cancel(&mut conn, "datamart", "default", id, "ben").await.expect("an answer"),
            Stopped::Ended
        );
    });
}
