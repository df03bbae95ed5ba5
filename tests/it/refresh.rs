//! Refreshing: what is promised of every method.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datamart::plan;
use datamart::refresh::{Event, Method, RunStatus};
use sqlx::AssertSqlSafe;

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};
use crate::support::wait::PATIENCE;

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, category text NOT NULL, amount numeric NOT NULL);
    INSERT INTO orders SELECT i, 'c' || i % 10, i FROM generate_series(1, 1000) AS i;";

const TABLE: &str = r#"
type = "table"
query = "SELECT id, category, amount FROM orders"
primary_key = ["id"]
"#;

async fn shop(marts: &[(&str, &str)]) -> (Database, Folder) {
    let database = Database::new().await;
    database.script(ORDERS).await;
    let folder = Folder::of(marts);
    converge(&database, folder.path(), &plan::Options::default()).await;
    (database, folder)
}

#[test]
fn a_materialized_view_is_refreshed_concurrently_where_it_can_be() {
    run(async {
        let keyed = "type = \"materialized_view\"\nquery = \"SELECT category, sum(amount) AS total FROM orders GROUP BY 1\"\n[[indexes]]\ncolumns = [\"category\"]\nunique = true\n";
        let plain = "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM orders\"\n[refresh]\nconcurrent = false\n";
        let (database, folder) = shop(&[("keyed.toml", keyed), ("plain.toml", plain)]).await;
        database.script("INSERT INTO orders VALUES (2000, 'new', 5)").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        let of = |mart: &str| runs.iter().find(|r| r.mart == mart).expect("a run");
        assert_eq!(of("public.keyed").method, Some(Method::Concurrently));
        assert_eq!(of("public.plain").method, Some(Method::Plain));
        assert!(runs.iter().all(|r| r.status == RunStatus::Success), "{runs:#?}");
        assert_eq!(of("public.keyed").row_count, Some(11));
        assert_eq!(database.value("SELECT total FROM keyed WHERE category = 'new'").await, "5");
        assert_eq!(database.value("SELECT n FROM plain").await, "1001");
        let history =
            "SELECT string_agg(mart || ' ' || status || ' ' || method, ', ' ORDER BY mart) FROM datamart.refreshes";
        assert_eq!(database.value(history).await, "keyed success concurrently, plain success plain");
    });
}

/// Other tools refresh by name, and the one that reads gets the rows of yesterday.
#[test]
fn a_materialized_view_is_refreshed_after_the_one_it_reads() {
    run(async {
        let a = "type = \"materialized_view\"\nquery = \"SELECT sum(n) AS n FROM m\"\n";
        let m = "type = \"materialized_view\"\nquery = \"SELECT sum(n) AS n FROM z GROUP BY category\"\n";
        let z = "type = \"materialized_view\"\nquery = \"SELECT category, count(*) AS n FROM orders GROUP BY 1\"\n";
        let (database, folder) = shop(&[("a.toml", a), ("m.toml", m), ("z.toml", z)]).await;
        database.script("CREATE VIEW theirs AS SELECT n FROM a; INSERT INTO orders VALUES (2000, 'new', 5)").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert!(runs.iter().all(|r| r.status == RunStatus::Success && r.method == Some(Method::Plain)), "{runs:#?}");
        assert_eq!(database.value("SELECT n FROM theirs").await, "1001");
    });
}

#[test]
fn few_differences_are_merged_into_the_same_table() {
    run(async {
        let (database, folder) = shop(&[("copy.toml", TABLE)]).await;
        let before = database.value("SELECT 'copy'::regclass::oid").await;
        database
            .script("DELETE FROM orders WHERE id <= 3; UPDATE orders SET amount = 0 WHERE id = 10; INSERT INTO orders VALUES (5000, 'x', 1), (5001, 'x', 1)")
            .await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        let copy = &runs[0];
        assert_eq!(copy.method, Some(Method::Merge), "{copy:#?}");
        assert_eq!(
            (copy.rows_deleted, copy.rows_updated, copy.rows_inserted, copy.row_count),
            (Some(3), Some(1), Some(2), Some(999))
        );
        assert_eq!(copy.reason, "6 of 999 rows differ");
        assert_eq!(database.value("SELECT 'copy'::regclass::oid").await, before);
        assert_eq!(equal(&database, "copy").await, "0");
    });
}

/// A thousand rows are written faster than tables are exchanged; of more it depends on the part that differs.
#[test]
fn a_small_table_is_merged_however_much_differs() {
    run(async {
        let (database, folder) = shop(&[("copy.toml", TABLE)]).await;
        let oid = "SELECT 'copy'::regclass::oid";
        let before = database.value(oid).await;
        database.script("UPDATE orders SET amount = amount + 1").await;
        let run = refresh(&database, folder.path(), &refresh_options()).await.remove(0);
        assert_eq!((run.method, run.reason.as_str()), (Some(Method::Merge), "1000 of 1000 rows differ"));
        assert_eq!((run.rows_updated, database.value(oid).await), (Some(1000), before.clone()));
        assert_eq!(equal(&database, "copy").await, "0");
        database.script("INSERT INTO orders SELECT 10000 + n, 'x', 1 FROM generate_series(1, 1001) AS n").await;
        let run = refresh(&database, folder.path(), &refresh_options()).await.remove(0);
        assert_eq!((run.method, run.reason.as_str()), (Some(Method::Swap), "1001 of 2001 rows differ"));
        assert_ne!(database.value(oid).await, before);
        assert_eq!(equal(&database, "copy").await, "0");
    });
}

#[test]
fn a_small_table_without_a_key_stays_the_table_it_is() {
    run(async {
        let all = "type = \"table\"\nquery = \"SELECT count(*) AS n, NULL::int AS none FROM orders\"\n";
        let many = "type = \"table\"\nquery = \"SELECT category, amount FROM orders, generate_series(1, 2)\"\n";
        let (database, folder) = shop(&[("everything.toml", all), ("many.toml", many)]).await;
        let oids = "SELECT 'everything'::regclass::oid || ' ' || 'many'::regclass::oid";
        let oids = async || {
            database.value(oids).await.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("two")
        };
        let before = oids().await;
        database.script("INSERT INTO orders VALUES (5000, 'x', 1)").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        let of = |mart: &str| runs.iter().find(|run| run.mart == mart).map(|run| (run.method, run.reason.clone()));
        assert_eq!(of("public.everything"), Some((Some(Method::Merge), "few rows".to_owned())));
        assert_eq!(of("public.many"), Some((Some(Method::Swap), "no key to merge by".to_owned())));
        let after = oids().await;
        assert!(after.0 == before.0 && after.1 != before.1, "{before:?} {after:?}");
        assert_eq!(database.value("SELECT n FROM everything").await, "1001");
    });
}

/// How many rows are in only one of the mart and the query.
async fn equal(database: &Database, mart: &str) -> String {
    let query = "SELECT id, category, amount FROM orders";
    database
        .value(&format!(
            "SELECT count(*) FROM ((SELECT * FROM {mart} EXCEPT ALL {query}) UNION ALL ({query} EXCEPT ALL SELECT * FROM {mart})) AS d"
        ))
        .await
}

#[test]
fn a_swap_carries_everything_over() {
    run(async {
        let manifest = format!(
            "{}description = \"all of it\"\ncolumns = {{ amount = {{ description = \"net\", not_null = true }} }}\nwith = {{ fillfactor = 70 }}\npublish = \"swap\"\n[[indexes]]\ncolumns = [\"(lower(category))\"]\nwhere = \"amount > 0\"\n",
            TABLE
        );
        let (database, folder) = shop(&[("copy.toml", &manifest)]).await;
        let role = format!("{}_reader", database.name);
        database
            .script(&format!(
                "CREATE ROLE {role}; GRANT SELECT ON copy TO {role}; GRANT UPDATE (amount) ON copy TO {role};
                 CREATE INDEX by_hand ON copy (amount DESC);
                 CREATE VIEW inner_view WITH (security_barrier) AS SELECT id, amount FROM copy;
                 CREATE VIEW outer_view AS SELECT c.id, v.amount FROM copy c JOIN inner_view v USING (id);
                 COMMENT ON VIEW inner_view IS 'kept'; GRANT SELECT ON outer_view TO {role};
                 UPDATE orders SET amount = amount + 1"
            ))
            .await;
        let facts = "SELECT (SELECT string_agg(indexdef, '; ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'copy') || obj_description('copy'::regclass)
               || (SELECT relacl::text || reloptions::text FROM pg_class WHERE oid = 'copy'::regclass)
               || (SELECT string_agg(attname || attnotnull || coalesce(attacl::text, '') || coalesce(col_description(attrelid, attnum), ''), ',' ORDER BY attnum)
                     FROM pg_attribute WHERE attrelid = 'copy'::regclass AND attnum > 0)
               || 'inner_view'::regclass::oid || 'outer_view'::regclass::oid || obj_description('inner_view'::regclass)
               || (SELECT reloptions::text FROM pg_class WHERE relname = 'inner_view')
               || pg_get_viewdef('inner_view') || pg_get_viewdef('outer_view')";
        let (before, oid) = (database.value(facts).await, database.value("SELECT 'copy'::regclass::oid").await);
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].method, Some(Method::Swap), "{runs:#?}");
        assert_ne!(database.value("SELECT 'copy'::regclass::oid").await, oid);
        assert_eq!(database.value(facts).await, before);
        assert_eq!(equal(&database, "copy").await, "0");
        assert_eq!(database.value("SELECT sum(amount) FROM outer_view").await, "501500");
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'").await, "0");
        let mut conn = database.session().await;
        let desired = project::load(folder.path());
        let plan = project::plan(&mut conn, &desired, &plan::Options::default()).await.expect("a plan");
        assert!(plan.changes.is_empty(), "{:#?}", plan.changes);
    });
}

#[test]
fn what_cannot_follow_a_swap_means_merge() {
    run(async {
        let manifest = format!("{TABLE}publish = \"swap\"\n");
        let (database, folder) = shop(&[("copy.toml", &manifest)]).await;
        database
            .script("CREATE MATERIALIZED VIEW on_it AS SELECT * FROM copy; UPDATE orders SET amount = amount + 1")
            .await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].method, Some(Method::Merge));
        assert_eq!(runs[0].reason, "not exchanged: the materialized view public.on_it depends on it");
        assert_eq!(equal(&database, "copy").await, "0");
    });
}

#[test]
fn rows_without_a_key_are_merged_as_multisets() {
    run(async {
        let manifest = "type = \"table\"\npublish = \"merge\"\nquery = \"SELECT category, '{}'::json AS extra, NULL::int AS nothing FROM orders\"\n";
        let (database, folder) = shop(&[("bag.toml", manifest)]).await;
        database
            .script("DELETE FROM orders WHERE id <= 15; INSERT INTO orders VALUES (3000, 'c1', 1), (3001, 'new', 1)")
            .await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        let counts = "SELECT string_agg(category || ' ' || n, ', ' ORDER BY category) FROM (SELECT category, count(*) AS n FROM {} GROUP BY 1) AS c";
        let mart = database.value(&counts.replace("{}", "bag")).await;
        assert_eq!(mart, database.value(&counts.replace("{}", "orders")).await);
    });
}

#[test]
fn rows_that_exchange_a_unique_value_are_merged() {
    run(async {
        let manifest = "type = \"table\"\npublish = \"merge\"\nprimary_key = [\"id\"]\nquery = \"SELECT id, amount AS place FROM orders\"\n[[indexes]]\ncolumns = [\"place\"]\nunique = true\n";
        let (database, folder) = shop(&[("places.toml", manifest)]).await;
        database.script("UPDATE orders SET amount = 3 - amount WHERE id IN (1, 2)").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        assert_eq!(
            database.value("SELECT string_agg(place::text, ',' ORDER BY id) FROM places WHERE id <= 3").await,
            "2,1,3"
        );
    });
}

#[test]
fn a_failure_keeps_the_old_rows_and_skips_only_what_reads_them() {
    run(async {
        let fails = "type = \"table\"\nquery = \"SELECT id, 1000 / amount AS share FROM orders\"\n";
        let reads = "type = \"table\"\nquery = \"SELECT count(*) AS n FROM fails\"\n";
        let (database, folder) = shop(&[("fails.toml", fails), ("reads.toml", reads), ("copy.toml", TABLE)]).await;
        database.script("UPDATE orders SET amount = 0 WHERE id = 7").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        let of = |mart: &str| runs.iter().find(|r| r.mart == format!("public.{mart}")).expect("a run");
        assert_eq!(of("fails").status, RunStatus::Failed);
        assert_eq!(of("fails").error.as_ref().and_then(|e| e.sqlstate.clone()).as_deref(), Some("22012"));
        assert_eq!(of("reads").status, RunStatus::Skipped);
        assert_eq!(of("reads").reason, "public.fails, which it reads, was not refreshed");
        assert_eq!(of("copy").status, RunStatus::Success);
        assert_eq!(database.value("SELECT count(*) FROM fails").await, "1000");
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'").await, "0");
        let statuses = "SELECT string_agg(mart || ' ' || status, ', ' ORDER BY mart) FROM datamart.refreshes";
        assert_eq!(database.value(statuses).await, "copy success, fails failed, reads skipped");
    });
}

#[test]
fn what_a_killed_refresh_left_is_removed_and_nothing_else() {
    run(async {
        let (database, folder) = shop(&[("copy.toml", TABLE)]).await;
        database
            .script("CREATE TABLE copy__next (x int); COMMENT ON TABLE copy__next IS 'datamart: the next rows of public.copy'")
            .await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        database.script("CREATE TABLE copy__next (precious int)").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Failed);
        let message = &runs[0].error.as_ref().expect("an error").message;
        assert!(message.starts_with("public.copy__next exists and was not built by datamart"), "{message}");
        assert_eq!(database.value("SELECT count(precious) FROM copy__next").await, "0");
    });
}

#[test]
fn a_cancelled_refresh_leaves_the_old_rows() {
    run(async {
        let slow = "type = \"table\"\nquery = \"SELECT id, pg_sleep(CASE WHEN amount < 0 THEN 60 ELSE 0 END) IS NULL AS slept FROM orders\"\n";
        let (database, folder) = shop(&[("slow.toml", slow)]).await;
        database.script("UPDATE orders SET amount = -1 WHERE id = 1").await;
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let items = project::items(&mut conn, &desired).await;
        let pid = std::cell::Cell::new(0);
        let mut events = |event: Event| {
            if let Event::Session { pid: is } = event {
                pid.set(is);
            }
        };
        let options = refresh_options();
        let work = datamart::refresh::refresh(&database.endpoint, &items, &options, &|| false, &mut events);
        let cancel = async {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let sql = format!(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = {} AND query LIKE 'CREATE TABLE%' AND state = 'active'",
                    pid.get()
                );
                let done = sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut conn).await.expect("an answer");
                if done.is_some() {
                    return;
                }
                assert!(Instant::now() < deadline, "the refresh never began");
                tokio::task::yield_now().await;
            }
        };
        let (runs, ()) = tokio::join!(work, cancel);
        let runs = runs.expect("runs");
        assert_eq!(runs[0].status, RunStatus::Cancelled, "{runs:#?}");
        assert_eq!(database.value("SELECT count(*) FROM slow").await, "1000");
        assert_eq!(database.value("SELECT status FROM datamart.refreshes").await, "cancelled");
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'").await, "0");
    });
}

#[test]
fn a_lost_connection_is_told_and_the_next_refresh_mends_it() {
    run(async {
        let slow = "type = \"table\"\nquery = \"SELECT id, pg_sleep(CASE WHEN amount < 0 THEN 60 ELSE 0 END) IS NULL AS slept FROM orders\"\n";
        let (database, folder) = shop(&[("slow.toml", slow)]).await;
        database.script("UPDATE orders SET amount = -1 WHERE id = 1").await;
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let items = project::items(&mut conn, &desired).await;
        let options = refresh_options();
        let mut deaf = |_: Event| {};
        let work = datamart::refresh::refresh(&database.endpoint, &items, &options, &|| false, &mut deaf);
        let kill = async {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND query LIKE 'CREATE TABLE%' AND state = 'active'";
            let deadline = Instant::now() + PATIENCE;
            while sqlx::query(sql).fetch_optional(&mut conn).await.expect("an answer").is_none() {
                assert!(Instant::now() < deadline, "the refresh never began");
                tokio::task::yield_now().await;
            }
        };
        let (runs, ()) = tokio::join!(work, kill);
        let runs = runs.expect("runs");
        assert_eq!(runs[0].status, RunStatus::Failed, "{runs:#?}");
        assert_eq!(runs[0].error.as_ref().map(|e| e.kind.as_str()), Some("connection"));
        assert_eq!(database.value("SELECT status FROM datamart.refreshes").await, "failed");
        assert_eq!(database.value("SELECT count(*) FROM slow").await, "1000");
        database.script("UPDATE orders SET amount = 1 WHERE id = 1").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
    });
}

#[test]
fn a_refresh_whose_lock_was_taken_away_publishes_nothing() {
    run(async {
        let gated =
            "type = \"table\"\nquery = \"SELECT id, pg_advisory_xact_lock(4711) IS NULL AS waited FROM orders\"\n";
        let (database, folder) = shop(&[("gated.toml", gated)]).await;
        database.script("DELETE FROM orders WHERE id > 10").await;
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let items = project::items(&mut conn, &desired).await;
        sqlx::raw_sql("SELECT pg_advisory_lock(4711)").execute(&mut conn).await.expect("the gate");
        let options = refresh_options();
        let mut deaf = |_: Event| {};
        let work = datamart::refresh::refresh(&database.endpoint, &items, &options, &|| false, &mut deaf);
        let take_away = async {
            // As `datamart unlock --kill` does.
            let sql = "SELECT pg_terminate_backend(w.pid) FROM pg_stat_activity w JOIN datamart.locks AS l USING (pid)
                       WHERE w.datname = current_database() AND l.name = 'mart:public.gated'
                         AND w.query LIKE 'CREATE TABLE%' AND w.wait_event_type = 'Lock'";
            let deadline = Instant::now() + PATIENCE;
            while sqlx::query(sql).fetch_optional(&mut conn).await.expect("an answer").is_none() {
                assert!(Instant::now() < deadline, "the refresh never came to the gate");
                tokio::task::yield_now().await;
            }
            // A session that is told to end is there a moment longer, and its lock with it.
            let there =
                "SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE TABLE%' AND datname = current_database()";
            while sqlx::query(there).fetch_optional(&mut conn).await.expect("an answer").is_some() {
                assert!(Instant::now() < deadline, "the session of the lock never ended");
                tokio::task::yield_now().await;
            }
            sqlx::raw_sql("SELECT pg_advisory_unlock(4711)").execute(&mut conn).await.expect("the gate opens");
        };
        let (runs, ()) = tokio::join!(work, take_away);
        let runs = runs.expect("runs");
        assert_eq!(runs[0].status, RunStatus::Failed, "{runs:#?}");
        assert_eq!(runs[0].error.as_ref().map(|e| e.kind.as_str()), Some("connection"));
        assert_eq!(database.value("SELECT count(*) FROM gated").await, "1000");
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        assert_eq!(database.value("SELECT count(*) FROM gated").await, "10");
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'").await, "0");
    });
}

#[test]
fn a_second_refresh_is_told_who_runs_the_first() {
    run(async {
        let (database, folder) = shop(&[("copy.toml", TABLE)]).await;
        let mut locks = datamart::database::LockSession::open(&database.endpoint, "datamart", "default", "somebody")
            .await
            .expect("locks");
        locks.acquire("mart:public.copy", Duration::ZERO).await.expect("the lock");
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!((runs[0].status, runs[0].is_bad()), (RunStatus::Skipped, true), "as the history says below");
        let error = runs[0].error.as_ref().expect("an error");
        assert_eq!(error.kind, "lock");
        assert!(
            error.message.contains("datamart: somebody") && error.message.contains(&locks.pid().to_string()),
            "{error:?}"
        );
        // Of the mart this says nothing: it is as its last run left it.
        let history = "SELECT string_agg(status || ' ' || (error ->> 'kind'), ', ') FROM datamart.refreshes";
        assert_eq!(database.value(history).await, "skipped lock");
        assert_eq!(database.value("SELECT status FROM datamart.status").await, "active");
        locks.close().await.expect("closed");
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Success);
    });
}

#[test]
fn readers_do_not_fail_while_tables_are_exchanged() {
    let manifest = format!("{TABLE}publish = \"swap\"\n");
    let view = "type = \"view\"\nquery = \"SELECT category, sum(amount) AS total FROM copy GROUP BY 1\"\n";
    let (database, folder) = run(shop(&[("copy.toml", &manifest), ("above.toml", view)]));
    let stop = AtomicBool::new(false);
    let reads = AtomicUsize::new(0);
    let failures = std::thread::scope(|scope| {
        let reader = |table: &'static str| {
            let (database, stop, reads) = (&database, &stop, &reads);
            scope.spawn(move || {
                run(async {
                    let mut conn = database.session().await;
                    let mut failures = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let sql = format!("SELECT count(*), sum(1) FROM public.{table}");
                        match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut conn).await {
                            Ok(_) => reads.fetch_add(1, Ordering::Relaxed),
                            Err(error) => {
                                failures.push(error.to_string());
                                0
                            }
                        };
                    }
                    failures
                })
            })
        };
        let readers = [reader("copy"), reader("above"), reader("above")];
        let methods = run(async {
            let mut methods = Vec::new();
            for _ in 0..20 {
                let runs = refresh(&database, folder.path(), &refresh_options()).await;
                methods.push(runs.iter().find(|r| r.mart == "public.copy").and_then(|r| r.method));
            }
            methods
        });
        // Before anything may fail: the scope waits for the readers.
        stop.store(true, Ordering::Relaxed);
        assert_eq!(methods, vec![Some(Method::Swap); 20]);
        readers.into_iter().flat_map(|r| r.join().expect("a reader")).collect::<Vec<_>>()
    });
    assert!(failures.is_empty(), "{failures:?}");
    assert!(reads.load(Ordering::Relaxed) > 20, "the readers hardly read");
}

#[test]
fn builds_and_refreshes_keep_to_the_limits() {
    run(async {
        let marts = [
            ("project.toml", "[limits]\nmaintenance_work_mem = \"77MB\"\nmax_parallel_workers = 1\n"),
            (
                "limits.toml",
                "type = \"table\"\npublish = \"merge\"\nquery = \"SELECT current_setting('maintenance_work_mem') || ' ' || current_setting('max_parallel_maintenance_workers') || ' ' || count(*) AS said FROM orders\"\n",
            ),
        ];
        let (database, folder) = shop(&marts).await;
        assert_eq!(database.value("SELECT said FROM limits").await, "77MB 1 1000");
        database.script("DELETE FROM orders WHERE id = 1").await;
        let limits = project::load(folder.path()).project.limits;
        let options = datamart::refresh::Options { settings: limits.settings(), ..refresh_options() };
        let runs = refresh(&database, folder.path(), &options).await;
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
        assert_eq!(database.value("SELECT said FROM limits").await, "77MB 1 999");
    });
}

#[test]
fn rows_that_are_too_old_leave_and_do_not_come_back() {
    run(async {
        for (publish, method) in [("merge", Method::Merge), ("swap", Method::Swap)] {
            let database = Database::new().await;
            database
                .script(
                    "CREATE TABLE events AS SELECT i AS id, now() - i * interval '1 day' AS at FROM generate_series(0, 99) i",
                )
                .await;
            let manifest = format!(
                "type = \"table\"\nquery = \"SELECT id, at FROM events\"\nprimary_key = [\"id\"]\npublish = \"{publish}\"\n\
                 retention = {{ column = \"at\", keep = \"10 days\" }}\n[[checks]]\nrows = {{ max = 12 }}\n"
            );
            let folder = Folder::of(&[("kept.toml", &manifest)]);
            converge(&database, folder.path(), &plan::Options::default()).await;
            assert_eq!(database.value("SELECT count(*) FROM kept").await, "10");
            // Three grow too old, one is new, one was never young enough.
            database
                .script("UPDATE events SET at = at - interval '3 days'; INSERT INTO events VALUES (500, now()), (501, '2001-01-01')")
                .await;
            let runs = refresh(&database, folder.path(), &refresh_options()).await;
            assert_eq!((runs[0].status, runs[0].method), (RunStatus::Success, Some(method)), "{runs:#?}");
            assert_eq!(runs[0].row_count, Some(8));
            if method == Method::Merge {
                assert_eq!((runs[0].rows_deleted, runs[0].rows_inserted), (Some(3), Some(1)));
            }
            assert_eq!(
                database.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM kept").await,
                "0 1 2 3 4 5 6 500"
            );
        }
    });
}

#[test]
fn a_day_is_too_old_in_the_time_zone_of_the_mart() {
    run(async {
        let database = Database::new().await;
        // Between these zones it is always another day.
        database.script("CREATE TABLE days AS SELECT (now() AT TIME ZONE z)::date - d AS day, z, d FROM unnest(ARRAY['Pacific/Kiritimati', 'Pacific/Pago_Pago']) z, generate_series(0, 3) d").await;
        let mart = |zone: &str| {
            format!(
                "type = \"table\"\nquery = \"SELECT day, d FROM days WHERE z = '{zone}'\"\nretention = {{ column = \"day\", keep = \"1 day\" }}\nrefresh = {{ timezone = \"{zone}\" }}\n"
            )
        };
        let folder =
            Folder::of(&[("east.toml", &mart("Pacific/Kiritimati")), ("west.toml", &mart("Pacific/Pago_Pago"))]);
        converge(&database, folder.path(), &plan::Options::default()).await;
        for table in ["east", "west"] {
            let kept = format!("SELECT string_agg(d::text, ' ' ORDER BY d) FROM {table}");
            assert_eq!(database.value(&kept).await, "0 1", "{table}");
            refresh(&database, folder.path(), &refresh_options()).await;
            assert_eq!(database.value(&kept).await, "0 1", "{table}");
        }
    });
}
