//! Refreshing partitioned marts: what is exchanged, what stays, what is kept ready and what leaves.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use datamart::plan;
use datamart::refresh::{Method, Run, RunStatus};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};
use crate::support::wait::until;

/// A year of orders up to today, some of each day.
const ORDERS: &str = "CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY, day date, country text, amount numeric NOT NULL);
    INSERT INTO orders (day, country, amount)
    SELECT current_date - d, (ARRAY['DE', 'FR', 'US'])[1 + d % 3], d FROM generate_series(0, 364) AS d, generate_series(1, 3);";

/// The leaves in which rows stand, and their numbers.
const LEAVES: &str = "SELECT string_agg(inhrelid::regclass || '=' || inhrelid, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'sales'::regclass";

fn sales(partition: &str, more: &str) -> String {
    format!(
        "type = \"partitioned_table\"\nquery = \"SELECT day, country, count(*) AS n, sum(amount) AS amount FROM orders GROUP BY 1, 2\"\n\
         primary_key = [\"day\", \"country\"]\n[partition]\n{partition}\n[[indexes]]\ncolumns = [\"country\"]\n{more}\n"
    )
}

const MONTHS: &str = "by = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"";

async fn shop(seed: &str, manifest: &str) -> (Database, Folder) {
    let database = Database::new().await;
    database.script(seed).await;
    let folder = Folder::of(&[("sales.toml", manifest)]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    (database, folder)
}

async fn refreshed(database: &Database, folder: &Folder) -> Run {
    refresh(database, folder.path(), &refresh_options()).await.remove(0)
}

fn went(run: &Run, method: Method, reason: &str) {
    assert_eq!((run.status, run.method), (RunStatus::Success, Some(method)), "{run:#?}");
    assert!(run.reason.ends_with(reason) || run.reason.contains(reason), "{}", run.reason);
}

async fn is_its_query(database: &Database, folder: &Folder) {
    let desired = project::load(folder.path());
    let mut conn = database.session().await;
    project::is_its_query(&mut conn, &desired.marts[0].mart).await;
    assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname ~ '__next|datamart_bound'").await, "0");
    assert_eq!(database.value("SELECT count(*) FROM pg_constraint WHERE conname = 'datamart_bound'").await, "0");
    let plan = project::plan(&mut conn, &desired, &plan::Options::default()).await.expect("a plan");
    assert!(plan.changes.is_empty() && plan.drift.is_empty(), "{:#?} {:#?}", plan.changes, plan.drift);
}

/// The leaves that are not what they were.
fn changed(before: &str, after: &str) -> usize {
    let before: Vec<&str> = before.split(' ').collect();
    after.split(' ').filter(|leaf| !before.contains(leaf)).count()
}

#[test]
fn only_the_partitions_that_differ_are_exchanged() {
    run(async {
        let (database, folder) = shop(ORDERS, &sales(MONTHS, "")).await;
        database.script("CREATE VIEW reader AS SELECT sum(amount) AS amount FROM sales; CREATE MATERIALIZED VIEW other AS SELECT count(*) AS n FROM sales").await;
        refreshed(&database, &folder).await;
        let (parent, before) = (database.value("SELECT 'sales'::regclass::oid").await, database.value(LEAVES).await);
        let nothing = refreshed(&database, &folder).await;
        went(&nothing, Method::Exchange, "0 of ");
        assert_eq!(database.value(LEAVES).await, before);
        database.script("UPDATE orders SET amount = 1000 WHERE day = current_date - 100").await;
        let some = refreshed(&database, &folder).await;
        went(&some, Method::Exchange, "1 of ");
        assert_eq!(changed(&before, &database.value(LEAVES).await), 1);
        assert_eq!(database.value("SELECT 'sales'::regclass::oid").await, parent);
        assert_eq!(
            some.row_count.map(|rows| rows.to_string()),
            Some(database.value("SELECT count(*) FROM sales").await)
        );
        assert_eq!(
            database.value("SELECT r.amount = sum(s.amount) FROM reader r, sales s GROUP BY r.amount").await,
            "true"
        );
        let valid = "SELECT bool_and(indisvalid) AND count(*) = 2 * (SELECT count(*) FROM pg_partition_tree('sales')) FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('sales'))";
        assert_eq!(database.value(valid).await, "true");
        is_its_query(&database, &folder).await;
    });
}

#[test]
fn rows_beyond_the_partitions_get_theirs() {
    run(async {
        let (database, folder) = shop(ORDERS, &sales(MONTHS, "")).await;
        database.script("INSERT INTO orders (day, country, amount) VALUES (current_date + 400, 'DE', 1), (current_date - 600, 'DE', 1)").await;
        let run = refreshed(&database, &folder).await;
        went(&run, Method::Exchange, " of ");
        is_its_query(&database, &folder).await;
        database.script("INSERT INTO orders (day, country, amount) VALUES (NULL, 'DE', 1)").await;
        let run = refreshed(&database, &folder).await;
        assert_eq!(run.status, RunStatus::Failed);
        let message = run.error.expect("an error").message;
        assert!(message.contains("have no partition") || message.contains("null value"), "{message}");
    });
}

#[test]
fn what_no_other_takes_is_in_the_default() {
    run(async {
        let manifest =
            sales(&format!("{MONTHS}\ndefault = true"), "").replace("primary_key = [\"day\", \"country\"]\n", "");
        let (database, folder) = shop(ORDERS, &manifest).await;
        database
            .script("INSERT INTO orders (day, country, amount) VALUES (NULL, 'DE', 1), (current_date + 400, 'DE', 1)")
            .await;
        went(&refreshed(&database, &folder).await, Method::Exchange, "1 of ");
        assert_eq!(database.value("SELECT count(*) FROM sales_default").await, "2");
        database.script("UPDATE orders SET amount = 1000 WHERE day = current_date - 100").await;
        let before = database.value(LEAVES).await;
        went(&refreshed(&database, &folder).await, Method::Exchange, "1 of ");
        assert_eq!(changed(&before, &database.value(LEAVES).await), 1);
        is_its_query(&database, &folder).await;
    });
}

#[test]
fn what_hangs_on_a_partition_stays_and_its_rows_are_merged() {
    run(async {
        let (database, folder) = shop(ORDERS, &sales(MONTHS, "")).await;
        refreshed(&database, &folder).await;
        let leaf = database.value("SELECT tableoid::regclass FROM sales WHERE day = current_date - 100 LIMIT 1").await;
        database
            .script(&format!("CREATE VIEW of_leaf AS SELECT * FROM {leaf}; UPDATE orders SET amount = 1000 WHERE day = current_date - 100"))
            .await;
        let before = database.value(LEAVES).await;
        let run = refreshed(&database, &folder).await;
        went(&run, Method::Exchange, "not exchanged but merged: the view public.of_leaf depends on its partition");
        assert_eq!((run.rows_inserted, run.rows_updated, run.rows_deleted), (Some(0), Some(1), Some(0)));
        assert_eq!(database.value(LEAVES).await, before);
        is_its_query(&database, &folder).await;
    });
}

#[test]
fn the_newest_partitions_are_computed_again() {
    run(async {
        let incremental = "[refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"partition\"\nlookback = \"1 day\"";
        let (database, folder) = shop(ORDERS, &sales(MONTHS, incremental)).await;
        database
            .script("UPDATE orders SET amount = 1000 WHERE day IN (current_date, current_date - 100); ANALYZE sales")
            .await;
        let run = refreshed(&database, &folder).await;
        went(&run, Method::Partition, "1 of ");
        assert_eq!(database.value("SELECT max(amount) FROM sales WHERE day = current_date").await, "3000");
        assert_eq!(database.value("SELECT max(amount) < 1000 FROM sales WHERE day = current_date - 100").await, "true");
        assert_eq!(run.row_count, Some(365));
    });
}

#[test]
fn partitions_that_are_too_old_leave() {
    run(async {
        for (expire, left) in [("drop", "0"), ("detach", "1")] {
            let partition = format!("{MONTHS}\nretain = \"36 months\"\non_expire = \"{expire}\"");
            let (database, folder) = shop(ORDERS, &sales(&partition, "")).await;
            let old = "SELECT count(*) FROM pg_class WHERE relname = 'sales_y2001_m01_detached'";
            database.script("CREATE TABLE sales_y2001_m01 PARTITION OF sales FOR VALUES FROM ('2001-01-01') TO ('2001-02-01'); INSERT INTO sales VALUES ('2001-01-05', 'DE', 1, 1)").await;
            went(&refreshed(&database, &folder).await, Method::Exchange, " of ");
            assert_eq!(database.value(old).await, left, "{expire}");
            assert_eq!(database.value("SELECT count(*) FROM sales WHERE day < '2002-01-01'").await, "0");
            is_its_query(&database, &folder).await;
        }
    });
}

/// A roll-up keeps years while its raw source keeps weeks.
#[test]
fn history_outlives_its_source() {
    run(async {
        let incremental = "[refresh]\nstrategy = \"full\"\n[refresh.incremental]\nmethod = \"partition\"\ntime_column = \"day\"\nlookback = \"7 days\"\nfrozen_before = \"30 days\"";
        let (database, folder) = shop(ORDERS, &sales(MONTHS, incremental)).await;
        let rows = database.value("SELECT count(*) FROM sales").await;
        let old = "SELECT sum(amount) FROM sales WHERE day < current_date - 30";
        let kept = database.value(old).await;
        database.script("DELETE FROM orders WHERE day < current_date - 30; UPDATE orders SET amount = 7 WHERE day = current_date").await;
        went(&refreshed(&database, &folder).await, Method::Exchange, " of ");
        assert_eq!(database.value("SELECT count(*) FROM sales").await, rows);
        assert_eq!(database.value(old).await, kept);
        assert_eq!(database.value("SELECT amount FROM sales WHERE day = current_date").await, "21");
    });
}

#[test]
fn lists_and_hashes_are_exchanged_too() {
    run(async {
        let list = "by = \"list\"\ncolumn = \"country\"\nvalues = { eu = [\"DE\", \"FR\"], us = [\"US\"] }";
        let hash = "by = \"hash\"\ncolumn = \"country\"\nmodulus = 8";
        for (partition, of) in [(list, "1 of 2"), (hash, "1 of 8")] {
            let (database, folder) = shop(ORDERS, &sales(partition, "")).await;
            database.script("UPDATE orders SET amount = 1000 WHERE country = 'US'").await;
            went(&refreshed(&database, &folder).await, Method::Exchange, of);
            is_its_query(&database, &folder).await;
        }
    });
}

#[test]
fn a_check_that_fails_leaves_every_partition() {
    run(async {
        let check = "[[checks]]\nname = \"small\"\nsql = \"SELECT * FROM {this} WHERE amount > 5000\"";
        let (database, folder) = shop(ORDERS, &sales(MONTHS, check)).await;
        refreshed(&database, &folder).await;
        let before = database.value(LEAVES).await;
        database.script("UPDATE orders SET amount = 6000 WHERE day = current_date - 100").await;
        let run = refreshed(&database, &folder).await;
        assert_eq!(run.status, RunStatus::Failed, "{run:#?}");
        assert_eq!(database.value(LEAVES).await, before);
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname ~ '__next'").await, "0");
    });
}

/// Somebody reads for hours: nobody queues behind the exchange for longer than its lock is waited for.
#[test]
fn what_cannot_be_exchanged_in_time_is_merged() {
    run(async {
        let (database, folder) = shop(ORDERS, &sales(MONTHS, "")).await;
        refreshed(&database, &folder).await;
        database.script("UPDATE orders SET amount = 1000 WHERE day = current_date - 100").await;
        let mut reader = database.session().await;
        sqlx::raw_sql("BEGIN; SELECT count(*) FROM public.sales").execute(&mut reader).await.expect("a read");
        let options = datamart::refresh::Options { publish_lock_timeout_ms: 1, ..refresh_options() };
        let run = refresh(&database, folder.path(), &options).await.remove(0);
        went(&run, Method::Exchange, "merged: no exclusive lock in 20 tries");
        sqlx::raw_sql("COMMIT").execute(&mut reader).await.expect("a commit");
        is_its_query(&database, &folder).await;
    });
}

#[test]
fn readers_go_on_through_exchanges() {
    run(async {
        let (database, folder) = shop(ORDERS, &sales(MONTHS, "")).await;
        database.script("UPDATE orders SET amount = 0 WHERE day > current_date - 100").await;
        refreshed(&database, &folder).await;
        let (stop, failed, reads) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    run(async {
                        let mut conn = database.session().await;
                        while !stop.load(Ordering::Relaxed) {
                            // Half a refresh would have another number of rows, or amounts of two rounds.
                            let sql = "SELECT count(*) || ' ' || count(DISTINCT amount) FILTER (WHERE day > current_date - 100) FROM public.sales";
                            let seen: Result<String, _> = sqlx::query_scalar(sql).fetch_one(&mut conn).await;
                            reads.fetch_add(1, Ordering::Relaxed);
                            if seen.ok().as_deref() != Some("365 1") {
                                failed.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    });
                });
            }
            let refreshes = scope.spawn(|| {
                run(async {
                    let mut runs = Vec::new();
                    for round in 0..5 {
                        let change = format!("UPDATE orders SET amount = {round} WHERE day > current_date - 100");
                        database.script(&change).await;
                        runs.push(refreshed(&database, &folder).await);
                    }
                    runs
                })
            });
            let runs = refreshes.join();
            stop.store(true, Ordering::Relaxed);
            runs.expect("runs").iter().for_each(|run| went(run, Method::Exchange, " of "));
        });
        assert_eq!(failed.load(Ordering::Relaxed), 0);
        assert!(reads.load(Ordering::Relaxed) > 20);
        is_its_query(&database, &folder).await;
    });
}

/// The server ends the refresh while it fills, and while what it filled stands aside.
#[test]
fn a_refresh_that_is_killed_leaves_every_partition() {
    run(async {
        let slow = sales(MONTHS, "").replace("FROM orders", "FROM orders, (SELECT pg_sleep(1.5)) AS s");
        let (database, folder) = shop(ORDERS, &slow).await;
        refreshed(&database, &folder).await;
        let filling = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'INSERT INTO public.sales\\_\\_next%' AND datname = current_database())";
        let aside = "SELECT to_regclass('public.sales__next') IS NOT NULL";
        for (amount, when) in [(1000, filling), (2000, aside)] {
            database.script(&format!("UPDATE orders SET amount = {amount} WHERE day > current_date - 100")).await;
            let before = database.value(LEAVES).await;
            let desired = project::load(folder.path());
            let items = project::items(&mut database.session().await, &desired).await;
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    // It fails, or cannot even say so.
                    run(datamart::refresh::refresh(
                        &database.endpoint,
                        &items,
                        &refresh_options(),
                        &|| false,
                        &mut |_| {},
                    ))
                    .is_ok()
                });
                scope.spawn(|| {
                    run(async {
                        until("the refresh is there", async || database.value(when).await == "true").await;
                        database
                            .script("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
                            .await;
                    });
                });
            });
            assert_eq!(database.value(LEAVES).await, before, "{when}");
            went(&refreshed(&database, &folder).await, Method::Exchange, " of ");
            is_its_query(&database, &folder).await;
        }
    });
}

#[test]
fn partitions_are_kept_ready_although_nobody_refreshes() {
    run(async {
        let (database, _folder) = shop(ORDERS, &sales(&format!("{MONTHS}\npremake = 2"), "")).await;
        let ready =
            async || datamart::refresh::keep_partitions(&database.endpoint, &refresh_options()).await.expect("it goes");
        // The tests plan as if it were another day.
        ready().await;
        let newest = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'sales'::regclass ORDER BY inhrelid::regclass::text DESC LIMIT 1";
        let newest = database.value(newest).await;
        assert_eq!(ready().await.made, 0);
        database.script(&format!("DROP TABLE {newest}")).await;
        let readied = ready().await;
        assert_eq!((readied.made, readied.gone, readied.hourly), (1, 0, false));
        assert_eq!(database.value(&format!("SELECT count(*) FROM {newest}")).await, "0");
    });
}

/// Rows leave although nobody asked for a refresh: who looks for them finds out when they did.
#[test]
fn partitions_that_leave_by_themselves_are_told_of() {
    run(async {
        let (database, _folder) = shop(ORDERS, &sales(&format!("{MONTHS}\nretain = \"12 months\""), "")).await;
        let old = "SELECT to_char(date_trunc('month', now() - interval '20 months'), 'YYYY-MM-DD')";
        let old = database.value(old).await;
        database
            .script(&format!("CREATE TABLE public.old PARTITION OF sales FOR VALUES FROM ('{old}') TO (date '{old}' + interval '1 month')"))
            .await;
        let readied =
            datamart::refresh::keep_partitions(&database.endpoint, &refresh_options()).await.expect("it goes");
        assert_eq!(readied.gone, 1);
        let told = "SELECT concat_ws(' ', action, address, detail ->> 'dropped', detail ->> 'detached') FROM datamart.audit WHERE action = 'partitions'";
        assert_eq!(database.value(told).await, "partitions public.sales [\"public.old\"]");
    });
}
