//! Materialized views that are refreshed in few messages: what is begun at once, and what is left out.

use datamart::plan;
use datamart::refresh::{Event, Method, Options, Run, RunStatus, Workers};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh_options};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, amount numeric NOT NULL); INSERT INTO orders SELECT i, i FROM generate_series(1, 100) AS i";

fn keyed(query: &str) -> String {
    format!("type = \"materialized_view\"\nquery = \"{query}\"\n[[indexes]]\ncolumns = [\"id\"]\nunique = true\n")
}

/// Three marts, refreshed one after the other in the order of their names: from the second one on a worker begins each at once.
async fn three() -> (Database, Folder) {
    let database = Database::new().await;
    database.script(ORDERS).await;
    let query = keyed("SELECT id, amount FROM orders");
    let folder = Folder::of(&[("a.toml", query.as_str()), ("b.toml", query.as_str()), ("c.toml", query.as_str())]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    (database, folder)
}

/// Refreshes all by what was known before `meanwhile`.
async fn refreshed(database: &Database, folder: &Folder, meanwhile: &str) -> Vec<Run> {
    let desired = project::load(folder.path());
    let mut conn = database.session().await;
    let items = project::items(&mut conn, &desired).await;
    database.script(meanwhile).await;
    let options = Options { parallel: 1, ..refresh_options() };
    let mut deaf = |_: Event| {};
    datamart::refresh::refresh(&database.endpoint, &items, &options, &|| false, &mut deaf).await.expect("runs")
}

#[test]
fn each_run_has_its_row_and_its_lock() {
    run(async {
        let (database, folder) = three().await;
        let runs = refreshed(&database, &folder, "INSERT INTO orders VALUES (101, 1)").await;
        assert!(runs.iter().all(|run| run.status == RunStatus::Success && run.row_count == Some(101)), "{runs:#?}");
        assert_eq!(database.value("SELECT count(*) FROM c").await, "101");
        let rows = "SELECT string_agg(concat_ws(' ', run, mart, status, method, row_count, pid IS NOT NULL, finished_at > started_at,
                                                snapshot IS NOT NULL, error IS NULL), ', ' ORDER BY run) FROM datamart.refreshes";
        let told = "1 a success concurrently 101 t t t t, 2 b success concurrently 101 t t t t, 3 c success concurrently 101 t t t t";
        assert_eq!(database.value(rows).await, told);
        assert_eq!(database.value("SELECT count(DISTINCT pid) FROM datamart.refreshes").await, "1");
        assert_eq!(database.value("SELECT sum(runs) FROM datamart.totals").await, "3");
        assert_eq!(database.value("SELECT count(*) FROM datamart.locks").await, "0");
        let held = "SELECT count(*) FROM pg_locks AS l WHERE locktype = 'advisory'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert_eq!(database.value(held).await, "0");
    });
}

#[test]
fn what_changed_since_it_was_seen_is_chosen_anew() {
    run(async {
        let (database, folder) = three().await;
        // Without it readers have to wait; of the other one nothing is left.
        let meanwhile = "DROP INDEX b_id_key; DROP MATERIALIZED VIEW c; DELETE FROM datamart.marts WHERE name = 'c'";
        let index = database.value("SELECT indexname FROM pg_indexes WHERE tablename = 'b'").await;
        let runs = refreshed(&database, &folder, &meanwhile.replace("b_id_key", &index)).await;
        let told: Vec<_> = runs.iter().map(|run| (run.method, run.status)).collect();
        assert_eq!(told[0], (Some(Method::Concurrently), RunStatus::Success), "{runs:#?}");
        assert_eq!(told[1], (Some(Method::Plain), RunStatus::Success), "{runs:#?}");
        // Who asked did not get it; of the mart, which is gone, this says nothing.
        assert_eq!(told[2], (None, RunStatus::Skipped), "{runs:#?}");
        assert!(runs[2].is_bad(), "{runs:#?}");
        let rows = "SELECT string_agg(mart || ' ' || status, ', ' ORDER BY run) FROM datamart.refreshes";
        assert_eq!(database.value(rows).await, "a success, b success, c skipped");
    });
}

#[test]
fn a_mart_that_somebody_else_refreshes_is_let_alone() {
    run(async {
        let (database, folder) = three().await;
        let mut locks = datamart::database::LockSession::open(&database.endpoint, "datamart", "default", "somebody")
            .await
            .expect("locks");
        locks.acquire("mart:public.b", std::time::Duration::ZERO).await.expect("the lock");
        // It is at work.
        let begun = "INSERT INTO datamart.refreshes (project, schema, mart, status) VALUES ('default', 'public', 'b', 'running')";
        let runs = refreshed(&database, &folder, begun).await;
        assert_eq!(runs[1].error.as_ref().map(|error| error.kind.as_str()), Some("lock"), "{runs:#?}");
        let rows = "SELECT string_agg(mart || ' ' || status, ', ' ORDER BY mart, run) FROM datamart.refreshes";
        assert_eq!(database.value(rows).await, "a success, b running, b skipped, c success");
        locks.close().await.expect("closed");
    });
}

#[test]
fn a_run_whose_process_ended_is_closed_by_the_next_one() {
    run(async {
        let (database, folder) = three().await;
        let begun = "INSERT INTO datamart.refreshes (project, schema, mart, status) VALUES ('default', 'public', 'b', 'running')";
        refreshed(&database, &folder, begun).await;
        let rows = "SELECT string_agg(mart || ' ' || status, ', ' ORDER BY mart, run) FROM datamart.refreshes";
        assert_eq!(database.value(rows).await, "a success, b cancelled, b success, c success");
    });
}

/// On one session, which counts what it wrote for a while.
#[test]
fn what_came_and_went_is_told_of_each_run_alone() {
    run(async {
        let (database, folder) = three().await;
        let desired = project::load(folder.path());
        let items = project::items(&mut database.session().await, &desired).await;
        let options = refresh_options();
        let workers = Workers::new(&database.endpoint, &options.registry, &options.project);
        let changes = [
            ("INSERT INTO orders VALUES (101, 1), (102, 1)", [2, 0, 0]),
            ("UPDATE orders SET amount = 2 WHERE id = 101; DELETE FROM orders WHERE id <= 3", [1, 0, 4]),
            ("UPDATE orders SET amount = 2 WHERE id = 101", [0, 0, 0]),
            ("INSERT INTO orders VALUES (103, 1)", [1, 0, 0]),
        ];
        for (change, told) in changes {
            database.script(change).await;
            let run = workers.run(&items[0], &options, &|_| {}).await.expect("a run");
            assert_eq!(run.method, Some(Method::Concurrently), "{run:#?}");
            assert_eq!([run.rows_inserted, run.rows_updated, run.rows_deleted], told.map(Some), "{change}");
        }
        workers.close().await;
    });
}

/// What is known of rows that are what they were stays known.
#[test]
fn rows_that_did_not_change_are_not_analysed() {
    run(async {
        let (database, folder) = three().await;
        let known = "SELECT string_agg(DISTINCT xmin::text, ' ') FROM pg_statistic WHERE starelid = 'a'::regclass";
        let built = database.value(known).await;
        refreshed(&database, &folder, "SELECT 1").await;
        assert_eq!(database.value(known).await, built);
        refreshed(&database, &folder, "UPDATE orders SET amount = 0 WHERE id = 1").await;
        let changed = database.value(known).await;
        assert_ne!(changed, built);
        // Where nobody counts what is written nobody knows.
        let name = database.value("SELECT current_database()").await;
        refreshed(&database, &folder, &format!("ALTER DATABASE \"{name}\" SET track_counts = off")).await;
        assert_ne!(database.value(known).await, changed);
    });
}

/// Its readers have the rows by then.
#[test]
fn a_plain_refresh_whose_rows_cannot_be_counted_is_a_success_that_says_so() {
    run(async {
        let database = Database::new().await;
        database.script(ORDERS).await;
        let manifest = "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM orders\"\n[refresh]\nconcurrent = false\n";
        let folder = Folder::of(&[("hot.toml", manifest)]);
        converge(&database, folder.path(), &plan::Options::default()).await;
        // An index over what fails as soon as the rows are analysed; this script itself does not hold the word.
        let meanwhile = "CREATE FUNCTION watched(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$
            BEGIN IF current_query() LIKE '%ANA' || 'LYZE%' THEN RAISE EXCEPTION 'not now'; END IF; RETURN $1; END $$;
            CREATE INDEX ON hot (watched(n)); INSERT INTO orders VALUES (101, 1)";
        let runs = refreshed(&database, &folder, meanwhile).await;
        assert_eq!(database.value("SELECT n FROM hot").await, "101");
        assert_eq!((runs[0].status, runs[0].row_count), (RunStatus::Success, None), "{runs:#?}");
        assert!(runs[0].reason.contains("its rows were not counted"), "{runs:#?}");
        assert_eq!(database.value("SELECT status FROM datamart.refreshes").await, "success");
    });
}
