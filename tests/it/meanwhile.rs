//! What others do to a mart while a run waits for it, or computes its rows.

use chrono::Utc;
use datamart::apply::ApplyError;
use datamart::catalog::{Actual, Relation};
use datamart::observe::{self, Looked};
use datamart::plan::Options;
use datamart::reconcile;
use datamart::refresh::{self, Method, RunStatus};
use datamart::state::QName;
use sqlx::PgConnection;

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, items, load, refresh_options};
use crate::support::wait::until;

/// A query that uses `busy()` does not end while somebody else has this lock.
const BUSY: &str = "CREATE FUNCTION busy() RETURNS int LANGUAGE plpgsql AS \
    'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN 1; END'; \
    CREATE TABLE orders AS SELECT i AS id FROM generate_series(1, 10) AS i;";
const PARTS: &str =
    "CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)";
const WAITING: &str = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database() \
    AND NOT granted";
const RIGHTS: &str = "SELECT relrowsecurity || ' ' || has_table_privilege('pg_monitor', oid, 'SELECT') || ' ' || \
    (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) FROM pg_class c WHERE oid = 'x'::regclass";
const SECURED: &str = "ALTER TABLE x ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON x USING (id = 1); \
    GRANT SELECT ON x TO pg_monitor;";

async fn shop(columns: &str, more: &str) -> (Database, Folder) {
    let database = Database::new().await;
    database.script(BUSY).await;
    let folder =
        Folder::of(&[("x.toml", &manifest(columns, more)), ("project.toml", "[database]\nlock_timeout = \"60s\"\n")]);
    converge(&database, folder.path(), &Options::default()).await;
    (database, folder)
}

fn manifest(columns: &str, more: &str) -> String {
    format!("type = \"table\"\nquery = \"SELECT id, busy(){columns} FROM orders\"\n{more}")
}

/// Runs `sql` once something waits for the lock that `holder` has, and gives the lock back.
async fn while_it_builds(database: &Database, holder: &mut PgConnection, sql: &str) {
    until("a build", async || {
        database.value(&format!("{WAITING} AND locktype = 'advisory' AND objid = 42")).await != "0"
    })
    .await;
    database.script(sql).await;
    sqlx::raw_sql("SELECT pg_advisory_unlock(42)").execute(holder).await.expect("an unlock");
}

async fn holder(database: &Database) -> PgConnection {
    let mut holder = database.session().await;
    sqlx::raw_sql("SELECT pg_advisory_lock(42)").execute(&mut holder).await.expect("a lock");
    holder
}

#[test]
fn rights_given_while_an_apply_builds_are_not_lost() {
    run(async {
        let (database, folder) = shop("", "").await;
        folder.write("x.toml", &manifest(", 1 AS more", ""));
        let desired = load(folder.path());
        let mut conn = database.session().await;
        let plan = project::plan(&mut conn, &desired, &Options::default()).await.expect("a plan");
        let mut holder = holder(&database).await;
        let (outcome, ()) =
            tokio::join!(project::apply(&mut conn, &plan, &desired), while_it_builds(&database, &mut holder, SECURED));
        let Err(ApplyError::Stale { moved }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(moved, ["public.x changed meanwhile"]);
        assert_eq!(database.value(RIGHTS).await, "true true 1");
        drop(conn);
        converge(&database, folder.path(), &Options::default()).await;
        assert_eq!(database.value(RIGHTS).await, "true true 1");
        assert_eq!(database.value("SELECT sum(more) FROM x").await, "10");
    });
}

#[test]
fn rights_given_while_a_refresh_builds_go_along() {
    run(async {
        let (database, folder) = shop("", "publish = \"swap\"\n").await;
        let oid = database.value("SELECT 'x'::regclass::oid").await;
        let mut holder = holder(&database).await;
        let options = refresh_options();
        let (runs, ()) = tokio::join!(
            project::refresh(&database, folder.path(), &options),
            while_it_builds(&database, &mut holder, SECURED)
        );
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        assert_ne!(database.value("SELECT 'x'::regclass::oid").await, oid);
        assert_eq!(database.value(RIGHTS).await, "true true 1");
    });
}

#[test]
fn a_reader_that_comes_while_a_refresh_builds_follows() {
    run(async {
        let (database, folder) = shop("", "").await;
        let mut holder = holder(&database).await;
        let options = refresh_options();
        let reader = "CREATE VIEW reader AS SELECT id FROM x; INSERT INTO orders VALUES (11);";
        let (runs, ()) = tokio::join!(
            project::refresh(&database, folder.path(), &options),
            while_it_builds(&database, &mut holder, reader)
        );
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        let view = "SELECT count(*) FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid \
            WHERE r.ev_class = 'reader'::regclass AND d.refobjid = 'x'::regclass";
        assert_ne!(database.value(view).await, "0");
    });
}

#[test]
fn a_refresh_that_waited_works_on_what_was_applied_meanwhile() {
    run(async {
        let (database, folder) = shop("", "").await;
        let mut conn = database.session().await;
        let waited = items(&mut conn, &load(folder.path())).await;
        folder.write("x.toml", &manifest(", 1 AS more", ""));
        converge(&database, folder.path(), &Options::default()).await;
        database.script("INSERT INTO orders VALUES (11)").await;
        let done = refresh::refresh(&database.endpoint, &waited, &refresh_options(), &|| false, &mut |_| {}).await;
        let runs = done.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        assert_eq!(database.value("SELECT sum(more) FROM x").await, "11");
        assert!(converge(&database, folder.path(), &Options::default()).await.is_empty());
    });
}

#[test]
fn a_refresh_that_waited_for_another_makes_the_version_after_it() {
    run(async {
        let (database, folder) = shop("", "[versions]\nkeep = 5\non = \"refresh\"\n").await;
        let mut conn = database.session().await;
        let waited = items(&mut conn, &load(folder.path())).await;
        for _ in 0..2 {
            let options = refresh_options();
            let done = refresh::refresh(&database.endpoint, &waited, &options, &|| false, &mut |_| {}).await;
            let runs = done.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        }
        let versions = "SELECT string_agg(version || ' ' || published, ',' ORDER BY version) FROM datamart.versions";
        assert_eq!(database.value(versions).await, "1 false,2 false,3 true");
        assert!(converge(&database, folder.path(), &Options::default()).await.is_empty());
    });
}

#[test]
fn a_mart_that_went_while_a_refresh_waited_is_told() {
    run(async {
        let (database, folder) = shop("", "").await;
        let mut conn = database.session().await;
        let waited = items(&mut conn, &load(folder.path())).await;
        database.script("UPDATE datamart.marts SET status = 'dropped'; DROP TABLE x").await;
        let done = refresh::refresh(&database.endpoint, &waited, &refresh_options(), &|| false, &mut |_| {}).await;
        let runs = done.unwrap_or_else(|error| panic!("{error}"));
        let error = runs[0].error.as_ref().expect("an error");
        assert_eq!(runs[0].status, RunStatus::Skipped);
        assert_eq!(error.message, "public.x was dropped or renamed meanwhile");
        // Nobody asked a daemon, and of the mart it says nothing.
        let led = refresh::Options { epoch: Some(1), ..refresh_options() };
        let done = refresh::refresh(&database.endpoint, &waited, &led, &|| false, &mut |_| {}).await;
        let runs = done.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((runs[0].status, runs[0].error.as_ref()), (RunStatus::Skipped, None));
        let told = "SELECT string_agg(concat_ws(' ', status, reason), ', ' ORDER BY run) FROM datamart.refreshes";
        let reason = "it was dropped or renamed meanwhile";
        assert_eq!(database.value(told).await, format!("skipped {reason}, skipped {reason}"));
    });
}

#[test]
fn who_reads_a_version_that_goes_holds_up_none() {
    run(async {
        let (database, folder) = shop("", "[versions]\nkeep = 2\non = \"refresh\"\n").await;
        let mut reader = database.session().await;
        sqlx::raw_sql("BEGIN; SELECT count(*) FROM public.x_v1").execute(&mut reader).await.expect("a reader");
        let versions = "SELECT string_agg(version || ' ' || published, ',' ORDER BY version) FROM datamart.versions";
        for expected in ["1 false,2 true", "1 false,2 false,3 true"] {
            let runs = project::refresh(&database, folder.path(), &refresh_options()).await;
            assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
            assert_eq!(database.value(versions).await, expected);
        }
        sqlx::raw_sql("COMMIT").execute(&mut reader).await.expect("an end");
        let runs = project::refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        assert_eq!(database.value(versions).await, "3 false,4 true");
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname ~ '^x_v[12]'").await, "0");
        assert!(converge(&database, folder.path(), &Options::default()).await.is_empty());
    });
}

const INDEXED: &str = "type = \"materialized_view\"\nquery = \"SELECT id FROM orders\"\n\
    [[indexes]]\nname = \"one\"\ncolumns = [\"id\"]\nunique = true\n";

#[test]
fn an_index_that_went_while_a_refresh_waited_is_not_counted_on() {
    run(async {
        let database = Database::new().await;
        database.script(BUSY).await;
        let folder = Folder::of(&[("x.toml", INDEXED)]);
        converge(&database, folder.path(), &Options::default()).await;
        let mut conn = database.session().await;
        let waited = items(&mut conn, &load(folder.path())).await;
        database.script("DROP INDEX one; INSERT INTO orders VALUES (11)").await;
        let done = refresh::refresh(&database.endpoint, &waited, &refresh_options(), &|| false, &mut |_| {}).await;
        let runs = done.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((runs[0].method, runs[0].row_count), (Some(Method::Plain), Some(11)), "{runs:#?}");
    });
}

#[test]
fn rows_and_their_row_of_history_are_one_commit() {
    run(async {
        let database = Database::new().await;
        database.script(BUSY).await;
        let folder = Folder::of(&[("x.toml", INDEXED)]);
        converge(&database, folder.path(), &Options::default()).await;
        database.script("INSERT INTO orders VALUES (11)").await;
        let runs = project::refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].method, Some(Method::Concurrently), "{runs:#?}");
        let same =
            "SELECT (x.xmin = r.xmin)::text FROM x, datamart.refreshes AS r WHERE x.id = 11 AND r.status = 'success'";
        assert_eq!(database.value(same).await, "true");
        let analyzed = "SELECT reltuples::int FROM pg_class WHERE oid = 'x'::regclass";
        assert_eq!(database.value(analyzed).await, "11");
    });
}

/// What a look sees while somebody replaces something in a transaction that it has to wait for.
async fn seen_while(replacement: &'static str) -> Actual {
    let database = Database::new().await;
    database.script(BUSY).await;
    database.script(PARTS).await;
    let view = "type = \"materialized_view\"\nquery = \"SELECT id FROM orders UNION SELECT id FROM parts\"\n\
                [[indexes]]\nname = \"x_id\"\ncolumns = [\"id\"]\nunique = true\n";
    let folder = Folder::of(&[("x.toml", view)]);
    converge(&database, folder.path(), &Options::default()).await;
    let desired = load(folder.path());
    let (mut other, mut conn) = (database.session().await, database.session().await);
    sqlx::raw_sql("BEGIN; SET LOCAL search_path = public").execute(&mut other).await.expect("a transaction");
    sqlx::raw_sql(replacement).execute(&mut other).await.expect("a replacement");
    let commit = async {
        until("a look", async || database.value(WAITING).await != "0").await;
        sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("a commit");
    };
    let (seen, ()) = tokio::join!(reconcile::look(&mut conn, &desired), commit);
    seen.expect("a look").actual
}

fn relation<'a>(seen: &'a Actual, name: &str) -> &'a Relation {
    seen.relations.get(&QName::new("public", name)).expect("a relation")
}

/// A definition is asked of the server by a number, which is another one once a refresh has published.
#[test]
fn a_mart_that_is_replaced_while_it_is_looked_at_is_looked_at_again() {
    run(async {
        let seen = seen_while(
            "CREATE MATERIALIZED VIEW next AS SELECT id FROM orders; DROP MATERIALIZED VIEW x; \
             ALTER MATERIALIZED VIEW next RENAME TO x",
        )
        .await;
        let x = relation(&seen, "x");
        assert!(x.definition.as_deref().is_some_and(|sql| sql.contains("FROM public.orders")), "{x:?}");
        assert!(x.indexes.is_empty(), "{x:?}");
    });
}

/// The server answers with nothing where an index is asked for that is gone.
#[test]
fn so_is_one_whose_index_is_replaced() {
    run(async {
        let seen =
            seen_while("REFRESH MATERIALIZED VIEW x; DROP INDEX x_id; CREATE UNIQUE INDEX x_id ON x (id DESC)").await;
        let x = relation(&seen, "x");
        let index = x.indexes.get("x_id").expect("an index");
        assert!(index.definition.contains("id DESC"), "{index:?}");
    });
}

/// The bound of a partition is told that is gone meanwhile.
#[test]
fn a_partition_that_is_replaced_is_seen_as_it_was() {
    run(async {
        let seen = seen_while(
            "REFRESH MATERIALIZED VIEW x; DROP TABLE parts_1; \
             CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1, 2)",
        )
        .await;
        let bounds: Vec<_> = relation(&seen, "parts").partitions.iter().map(|part| part.bound.as_str()).collect();
        assert_eq!(bounds, ["FOR VALUES IN (1)"]);
    });
}

/// To a snapshot from before it, what takes a mart's place has no rows.
#[test]
fn a_mart_that_is_exchanged_while_it_is_shown_has_rows() {
    run(async {
        let database = Database::new().await;
        database.script(BUSY).await;
        let folder = Folder::of(&[("x.toml", "type = \"table\"\nquery = \"SELECT id FROM orders\"\n")]);
        converge(&database, folder.path(), &Options::default()).await;
        let desired = load(folder.path());
        let (mut other, mut conn) = (database.session().await, database.session().await);
        let seen = reconcile::glance(&mut conn, &desired).await.expect("a look");
        let looked = Looked {
            desired: Some(&desired),
            actual: &seen.actual,
            project: "default",
            registry: Some("datamart"),
            now: Utc::now(),
        };
        let exchange = "BEGIN; SET LOCAL search_path = public; CREATE TABLE next AS SELECT id FROM orders; DROP TABLE x; \
                        ALTER TABLE next RENAME TO x";
        sqlx::raw_sql(exchange).execute(&mut other).await.expect("an exchange");
        let commit = async {
            until("a reader", async || database.value(WAITING).await != "0").await;
            sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("a commit");
        };
        observe::begin_rows(&mut conn).await.expect("a transaction");
        let x = QName::new("public", "x");
        let (preview, ()) = tokio::join!(observe::preview(&mut conn, &looked, &x, 3, None), commit);
        let preview = preview.expect("rows");
        assert_eq!((preview.total_rows, preview.rows.len()), (10, 3));
        // What was seen is not there any more; its size is that of what is.
        let stats = observe::stats(&mut conn, &looked, &x).await.expect("figures");
        assert_eq!((stats.row_count, stats.size_bytes.is_some_and(|bytes| bytes > 0)), (Some(10), true));
    });
}

/// A refresh changes nothing that a plan is about.
#[test]
fn a_plan_holds_when_a_refresh_has_published_since() {
    run(async {
        let database = Database::new().await;
        database.script(BUSY).await;
        let mart = "type = \"table\"\nquery = \"SELECT id FROM orders\"\npublish = \"swap\"\n";
        let versioned = "type = \"table\"\nquery = \"SELECT id FROM orders\"\n[versions]\nkeep = 2\non = \"refresh\"\n";
        let folder = Folder::of(&[("x.toml", mart), ("y.toml", versioned)]);
        converge(&database, folder.path(), &Options::default()).await;
        let indexed = format!("{mart}[[indexes]]\nname = \"x_id\"\ncolumns = [\"id\"]\n");
        folder.write("x.toml", &indexed);
        let desired = load(folder.path());
        let mut conn = database.session().await;
        let planned = project::plan(&mut conn, &desired, &Options::default()).await.expect("a plan");
        let number = "SELECT 'x'::regclass::oid";
        let before = database.value(number).await;
        for _ in 0..3 {
            let runs = project::refresh(&database, folder.path(), &refresh_options()).await;
            assert!(runs.iter().all(|run| run.status == RunStatus::Success), "{runs:?}");
        }
        assert_ne!(database.value(number).await, before);
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname = 'y_v1'").await, "0");
        project::apply(&mut conn, &planned, &desired).await.expect("an apply");
        assert_eq!(database.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'x_id'").await, "1");
    });
}
