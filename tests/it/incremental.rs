//! Refreshes that compute some of the rows: what is exact, what stays, what comes of an error.

use datamart::manifest::PauseWhen;
use datamart::plan;
use datamart::refresh::{self, Asked, How, Method, Options, Run, RunStatus};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh_options};

/// Ten days of events, today among them, three of each day and kind.
const EVENTS: &str = "CREATE TABLE events (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, day date, kind text, amount numeric NOT NULL);
    INSERT INTO events (day, kind, amount)
    SELECT current_date - d, k, 1 FROM generate_series(0, 9) AS d, unnest(ARRAY['a', 'b']) AS k, generate_series(1, 3);";

/// Totals by day and kind; `more` comes below `[refresh]`.
fn daily(method: &str, more: &str) -> String {
    format!(
        "type = \"table\"\nquery = \"SELECT day, kind, count(*) AS n, sum(amount) AS total FROM events GROUP BY 1, 2\"\n\
         primary_key = [\"day\", \"kind\"]\n[refresh]\nstrategy = \"incremental\"\n{more}\n[refresh.incremental]\n{method}\n"
    )
}

const WINDOW: &str = "method = \"window\"\ntime_column = \"day\"\nlookback = \"2 days\"";

async fn shop(seed: &str, manifest: &str) -> (Database, Folder) {
    let database = Database::new().await;
    database.script(seed).await;
    let folder = Folder::of(&[("mart.toml", manifest)]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    (database, folder)
}

/// The run of the one mart, as it is asked for.
async fn refreshed(database: &Database, folder: &Folder, asked: Asked, options: &Options) -> Run {
    let desired = project::load(folder.path());
    let mut conn = database.session().await;
    let mut items = project::items(&mut conn, &desired).await;
    items.iter_mut().for_each(|item| item.asked = asked.clone());
    let runs = refresh::refresh(&database.endpoint, &items, options, &|| false, &mut |_| {}).await;
    runs.unwrap_or_else(|error| panic!("{error}")).remove(0)
}

async fn as_declared(database: &Database, folder: &Folder) -> Run {
    refreshed(database, folder, Asked::default(), &refresh_options()).await
}

async fn asked(database: &Database, folder: &Folder, how: How) -> Run {
    refreshed(database, folder, Asked { how, ..Asked::default() }, &refresh_options()).await
}

/// Panics unless the run went well by this method.
fn went(run: &Run, method: Method) {
    assert_eq!((run.status, run.method), (RunStatus::Success, Some(method)), "{run:#?}");
}

fn counts(run: &Run) -> [Option<i64>; 3] {
    [run.rows_inserted, run.rows_updated, run.rows_deleted]
}

/// The days of which the mart does not say what its query says.
async fn wrong_days(database: &Database) -> String {
    let query = "SELECT day, kind, count(*) AS n, sum(amount) AS total FROM events GROUP BY 1, 2";
    let differences =
        format!("(SELECT * FROM mart EXCEPT ALL {query}) UNION ALL ({query} EXCEPT ALL SELECT * FROM mart)");
    let sql =
        format!("SELECT coalesce(string_agg(DISTINCT (current_date - day)::text, ','), '') FROM ({differences}) AS d");
    database.value(&sql).await
}

#[test]
fn a_window_is_exact_inside_and_silent_before() {
    run(async {
        let (database, folder) = shop(EVENTS, &daily(WINDOW, "")).await;
        let before = database.value("SELECT 'mart'::regclass::oid").await;
        database
            .script(
                "INSERT INTO events (day, kind, amount) VALUES (current_date, 'a', 5), (current_date - 2, 'new', 5), (current_date - 5, 'a', 5);
                 DELETE FROM events WHERE day = current_date - 1 AND kind = 'b';",
            )
            .await;
        let first = as_declared(&database, &folder).await;
        went(&first, Method::Window);
        let start = database.value("SELECT current_date - 2").await;
        assert_eq!(first.reason, format!("day from {start} on"));
        // One is new, one is changed, one is gone; the others of these days are not written.
        assert_eq!(counts(&first), [Some(1), Some(1), Some(1)]);
        assert_eq!((first.row_count, first.snapshot.is_some()), (Some(20), true));
        assert_eq!(wrong_days(&database).await, "5");
        assert_eq!(database.value("SELECT 'mart'::regclass::oid").await, before);
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%next%'").await, "0");
        assert_eq!(counts(&as_declared(&database, &folder).await), [Some(0), Some(0), Some(0)]);

        // More of the past, for once.
        let days = Asked { how: How::Incremental, days: Some(5), ..Asked::default() };
        let more = refreshed(&database, &folder, days, &refresh_options()).await;
        went(&more, Method::Window);
        assert_eq!((counts(&more), wrong_days(&database).await), ([Some(0), Some(1), Some(0)], String::new()));

        // A day that is too late for the window needs all rows.
        database.script("UPDATE events SET amount = 2 WHERE day = current_date - 9").await;
        as_declared(&database, &folder).await;
        assert_eq!(wrong_days(&database).await, "9");
        let whole = asked(&database, &folder, How::Full).await;
        assert!(whole.reason.starts_with("all rows were asked for; "), "{whole:#?}");
        assert_eq!(wrong_days(&database).await, "");
    });
}

/// Rows that are published are: that somebody keeps VACUUM from its work is told, and the run did what it had to.
#[test]
fn what_is_left_undone_after_the_rows_are_published_fails_no_run() {
    run(async {
        let (database, folder) = shop(EVENTS, &daily(WINDOW, "")).await;
        database.script("INSERT INTO events (day, kind, amount) SELECT current_date, 'k' || n, 1 FROM generate_series(1, 9) AS n").await;
        let mut other = database.session().await;
        let hold = "BEGIN; LOCK TABLE public.mart IN SHARE UPDATE EXCLUSIVE MODE";
        sqlx::raw_sql(hold).execute(&mut other).await.expect("the lock");
        let options = Options { lock_timeout_ms: 200, ..refresh_options() };
        let run = refreshed(&database, &folder, Asked::default(), &options).await;
        went(&run, Method::Window);
        assert!(run.reason.contains("; it was not vacuumed: "), "{run:#?}");
        assert_eq!((run.row_count, wrong_days(&database).await), (Some(29), String::new()));
    });
}

/// Nobody was there for a week, or the sources were late: what came since the newest row is in the window too.
#[test]
fn a_window_leaves_no_gap() {
    run(async {
        let late = EVENTS.replace("generate_series(0, 9)", "generate_series(7, 9)");
        let (database, folder) = shop(&late, &daily(WINDOW, "")).await;
        database
            .script("INSERT INTO events (day, kind, amount) SELECT current_date - d, 'a', 1 FROM generate_series(0, 8) AS d")
            .await;
        went(&as_declared(&database, &folder).await, Method::Window);
        assert_eq!(wrong_days(&database).await, "");
        // The newest row is of today, yet the last refresh was long ago.
        database
            .script(
                "UPDATE datamart.refreshes SET started_at = now() - interval '6 days';
                 INSERT INTO events (day, kind, amount) VALUES (current_date - 7, 'b', 1), (current_date + 400, 'plan', 1);",
            )
            .await;
        went(&as_declared(&database, &folder).await, Method::Window);
        assert_eq!(wrong_days(&database).await, "");
        // A row of the future holds back no window.
        database.script("INSERT INTO events (day, kind, amount) VALUES (current_date - 1, 'b', 1)").await;
        went(&as_declared(&database, &folder).await, Method::Window);
        assert_eq!(wrong_days(&database).await, "");
    });
}

#[test]
fn rows_without_a_key_or_a_time_are_computed_again_too() {
    run(async {
        let keyless = daily(WINDOW, "").replace("primary_key = [\"day\", \"kind\"]\n", "");
        let (database, folder) = shop(EVENTS, &keyless).await;
        database
            .script(
                "INSERT INTO events (day, kind, amount) VALUES (NULL, 'a', 5), (NULL, NULL, 5), (current_date, NULL, 1), (current_date - 7, 'z', 1)",
            )
            .await;
        let first = as_declared(&database, &folder).await;
        went(&first, Method::Window);
        assert_eq!(counts(&first), [Some(9), Some(0), Some(6)]);
        assert_eq!(wrong_days(&database).await, "7");
        assert_eq!(database.value("SELECT count(*) FROM mart WHERE day IS NULL").await, "2");
        database
            .script(
                "UPDATE events SET amount = 7 WHERE day IS NULL; DELETE FROM events WHERE day IS NULL AND kind = 'a'",
            )
            .await;
        went(&as_declared(&database, &folder).await, Method::Window);
        assert_eq!(database.value("SELECT string_agg(total::text, ',') FROM mart WHERE day IS NULL").await, "7");
    });
}

/// Days of a mart are those of its time zone, and a row that stands for a day is computed whole.
#[test]
fn a_window_begins_with_a_day_of_the_mart_s_time_zone() {
    run(async {
        let manifest = "type = \"table\"\nquery = \"SELECT date_trunc('day', at) AS day, count(*) AS n FROM hits GROUP BY 1\"\n\
             [refresh]\nstrategy = \"incremental\"\ntimezone = \"Pacific/Auckland\"\n\
             [refresh.incremental]\nmethod = \"window\"\ntime_column = \"day\"\nlookback = \"1 day\"\n";
        let seed = "CREATE TABLE hits (at timestamptz);
             INSERT INTO hits SELECT now() - n * interval '1 hour' FROM generate_series(0, 100) AS n;";
        let (database, folder) = shop(seed, manifest).await;
        database.script("INSERT INTO hits SELECT now() - n * interval '1 hour' FROM generate_series(0, 22) AS n").await;
        went(&as_declared(&database, &folder).await, Method::Window);
        let desired = project::load(folder.path());
        project::is_its_query(&mut database.session().await, &desired.marts[0].mart).await;
    });
}

#[test]
fn append_adds_what_is_beyond_the_newest() {
    run(async {
        let manifest = "type = \"table\"\nquery = \"SELECT id, kind, amount FROM events\"\nprimary_key = [\"id\"]\n\
             [refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"append\"\ntime_column = \"id\"\n";
        let (database, folder) = shop(EVENTS, manifest).await;
        database
            .script(
                "DELETE FROM events WHERE id = 1; UPDATE events SET amount = 100 WHERE id = 2;
                 INSERT INTO events (day, kind, amount) SELECT current_date, 'a', 1 FROM generate_series(1, 4);",
            )
            .await;
        let first = as_declared(&database, &folder).await;
        went(&first, Method::Append);
        assert_eq!(first.reason, "id beyond 60");
        assert_eq!((counts(&first), first.row_count), ([Some(4), Some(0), Some(0)], Some(64)));
        assert_eq!(database.value("SELECT amount FROM mart WHERE id = 2").await, "1");
        // The same once more: nothing is added twice.
        assert_eq!(counts(&as_declared(&database, &folder).await), [Some(0), Some(0), Some(0)]);
    });
}

#[test]
fn append_never_sees_rows_that_are_late_or_have_no_time() {
    run(async {
        let manifest = "type = \"table\"\nquery = \"SELECT day, kind FROM events\"\n\
             [refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"append\"\ntime_column = \"day\"\n";
        let (database, folder) =
            shop(&EVENTS.replace("generate_series(0, 9)", "generate_series(1, 9)"), manifest).await;
        database
            .script("INSERT INTO events (day, kind, amount) VALUES (current_date, 'a', 1), (current_date, 'a', 1), (current_date - 1, 'a', 1), (NULL, 'a', 1)")
            .await;
        assert_eq!(counts(&as_declared(&database, &folder).await), [Some(2), Some(0), Some(0)]);
        assert_eq!(database.value("SELECT count(*) FROM mart WHERE day IS NULL").await, "0");
    });
}

#[test]
fn upsert_merges_rows_in_and_deletes_none() {
    run(async {
        let manifest = "type = \"table\"\nquery = \"SELECT customer, region, sum(spent) AS spent FROM customers GROUP BY 1, 2\"\n\
             [refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"upsert\"\nunique_key = [\"customer\", \"region\"]\n";
        let seed = "CREATE TABLE customers (customer int, region text, spent int);
             INSERT INTO customers SELECT i, 'r' || i % 3, 1 FROM generate_series(1, 100) AS i;
             INSERT INTO customers VALUES (NULL, 'r0', 1), (1, NULL, 1), (NULL, NULL, 1);";
        let (database, folder) = shop(seed, manifest).await;
        database
            .script(
                "UPDATE customers SET spent = 5 WHERE customer = 7 OR customer IS NULL; DELETE FROM customers WHERE customer = 8;
                 INSERT INTO customers VALUES (101, 'r0', 1), (NULL, 'new', 1), (2, NULL, 1);",
            )
            .await;
        let first = as_declared(&database, &folder).await;
        went(&first, Method::Upsert);
        assert_eq!(first.reason, "by customer, region");
        // Seven and the two whose customer is not known have changed; NULL is a key among others.
        assert_eq!(counts(&first), [Some(3), Some(3), Some(0)]);
        assert_eq!(first.row_count, Some(106));
        assert_eq!(database.value("SELECT spent FROM mart WHERE customer = 8").await, "1");
        let missing = "SELECT count(*) FROM (SELECT customer, region, sum(spent) FROM customers GROUP BY 1, 2 EXCEPT ALL SELECT * FROM mart) AS d";
        assert_eq!(database.value(missing).await, "0");
        let oldest = "SELECT min(xmin::text::bigint) FROM mart";
        let before = database.value(oldest).await;
        assert_eq!(counts(&as_declared(&database, &folder).await), [Some(0), Some(0), Some(0)]);
        assert_eq!(database.value(oldest).await, before);
    });
}

/// Two customers exchange what another index calls unique.
#[test]
fn upsert_keeps_other_unique_indexes() {
    run(async {
        let manifest = "type = \"table\"\nquery = \"SELECT customer, rank FROM ranks\"\nprimary_key = [\"customer\"]\n\
             [refresh]\nincremental = { method = \"upsert\" }\n[[indexes]]\ncolumns = [\"rank\"]\nunique = true\n";
        let (database, folder) =
            shop("CREATE TABLE ranks AS SELECT i AS customer, i AS rank FROM generate_series(1, 9) AS i", manifest)
                .await;
        database.script("UPDATE ranks SET rank = CASE customer WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE rank END").await;
        went(&as_declared(&database, &folder).await, Method::Upsert);
        assert_eq!(database.value("SELECT string_agg(rank::text, '' ORDER BY customer) FROM mart").await, "213456789");
    });
}

#[test]
fn a_key_that_two_rows_have_is_refused() {
    run(async {
        let manifest = "type = \"table\"\nquery = \"SELECT kind, amount FROM events WHERE id < 3\"\n\
             [refresh]\n[refresh.incremental]\nmethod = \"upsert\"\nunique_key = [\"kind\"]\n";
        let seed =
            "CREATE TABLE events (id int, kind text, amount int); INSERT INTO events VALUES (1, 'a', 1), (2, 'b', 2)";
        let (database, folder) = shop(seed, manifest).await;
        database.script("INSERT INTO events VALUES (0, 'a', 7); UPDATE events SET amount = 3 WHERE id = 2").await;
        let failed = as_declared(&database, &folder).await;
        let error = failed.error.as_ref().map(|error| error.message.as_str());
        assert_eq!(
            (failed.status, error),
            (RunStatus::Failed, Some("the query has several rows with the same kind: (a)"))
        );
        assert_eq!(database.value("SELECT string_agg(amount::text, ',' ORDER BY kind) FROM mart").await, "1,2");
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%next%'").await, "0");
    });
}

#[test]
fn a_check_that_fails_leaves_the_old_rows() {
    run(async {
        let manifest = format!("{}[[checks]]\nsql = \"SELECT * FROM {{this}} WHERE total > 100\"\n", daily(WINDOW, ""));
        let (database, folder) = shop(EVENTS, &manifest).await;
        let rows = "SELECT md5(string_agg(m::text, ',' ORDER BY day, kind)) FROM mart AS m";
        let before = database.value(rows).await;
        database.script("INSERT INTO events (day, kind, amount) VALUES (current_date, 'a', 500)").await;
        let failed = as_declared(&database, &folder).await;
        assert_eq!((failed.status, failed.method), (RunStatus::Failed, Some(Method::Window)), "{failed:#?}");
        assert_eq!((failed.checks.len(), failed.checks[0].stops()), (1, true));
        assert_eq!(database.value(rows).await, before);
        database.script("UPDATE events SET amount = 1 WHERE amount = 500").await;
        went(&as_declared(&database, &folder).await, Method::Window);
        assert_eq!(wrong_days(&database).await, "");
    });
}

/// Neither waits for the other: what is not committed comes with the next refresh.
#[test]
fn a_writer_and_a_refresh_do_not_wait_for_each_other() {
    run(async {
        let (database, folder) = shop(EVENTS, &daily(WINDOW, "")).await;
        let mut writer = database.session().await;
        sqlx::raw_sql("BEGIN; INSERT INTO public.events (day, kind, amount) VALUES (current_date, 'open', 1)")
            .execute(&mut writer)
            .await
            .expect("a row");
        database.script("INSERT INTO events (day, kind, amount) VALUES (current_date, 'a', 9)").await;
        went(&as_declared(&database, &folder).await, Method::Window);
        assert_eq!(database.value("SELECT total FROM mart WHERE day = current_date AND kind = 'a'").await, "12");
        sqlx::raw_sql("COMMIT").execute(&mut writer).await.expect("a commit");
        assert_eq!(wrong_days(&database).await, "0");
        assert_eq!(counts(&as_declared(&database, &folder).await), [Some(1), Some(0), Some(0)]);
        assert_eq!(wrong_days(&database).await, "");
    });
}

#[test]
fn a_smart_mart_is_computed_whole_once_its_data_is_old() {
    run(async {
        let manifest = daily(WINDOW, "").replace("\"incremental\"\n", "\"smart\"\nfull_after = \"3 days\"\n");
        let (database, folder) = shop(EVENTS, &manifest).await;
        let young = as_declared(&database, &folder).await;
        went(&young, Method::Window);
        // Today is not over.
        assert!(young.reason.starts_with("the newest data is 0s old; day from "), "{young:#?}");
        database
            .script("UPDATE events SET amount = 2 WHERE day = current_date - 9; DELETE FROM events WHERE day > current_date - 6")
            .await;
        as_declared(&database, &folder).await;
        assert_eq!(wrong_days(&database).await, "9,5,4,3".split(',').rev().collect::<Vec<_>>().join(","));
        database.script("DELETE FROM mart WHERE day > current_date - 6").await;
        let old = as_declared(&database, &folder).await;
        assert!(old.reason.starts_with("the newest data is 5d "), "{old:#?}");
        assert!(old.reason.contains(" old, full_after is 3d; "), "{old:#?}");
        assert_eq!(wrong_days(&database).await, "");
    });
}

#[test]
fn an_empty_mart_is_computed_whole() {
    run(async {
        let (database, folder) =
            shop(&EVENTS.replace("generate_series(0, 9)", "generate_series(1, 0)"), &daily(WINDOW, "")).await;
        database.script("INSERT INTO events (day, kind, amount) SELECT current_date - d, 'a', 1 FROM generate_series(0, 9) AS d").await;
        let first = as_declared(&database, &folder).await;
        went(&first, Method::Swap);
        assert_eq!((first.reason.as_str(), wrong_days(&database).await.as_str()), ("it holds no rows yet", ""));
        let asked_whole = asked(&database, &folder, How::Full).await;
        assert!(matches!(asked_whole.method, Some(Method::Merge | Method::Swap)), "{asked_whole:#?}");
    });
}

#[test]
fn the_published_version_is_refreshed_in_part() {
    run(async {
        let (database, folder) = shop(EVENTS, &format!("{}[versions]\n", daily(WINDOW, ""))).await;
        database.script("INSERT INTO events (day, kind, amount) VALUES (current_date, 'a', 5)").await;
        let first = as_declared(&database, &folder).await;
        went(&first, Method::Window);
        assert_eq!((first.mart.as_str(), counts(&first)), ("public.mart", [Some(0), Some(1), Some(0)]));
        assert_eq!(wrong_days(&database).await, "");
        assert_eq!(database.value("SELECT count(*) FROM mart_v1 WHERE total = 8").await, "1");
    });
}

#[test]
fn rows_that_are_too_old_go_with_a_window_too() {
    run(async {
        let manifest = format!("{}[retention]\ncolumn = \"day\"\nkeep = \"6 days\"\n", daily(WINDOW, ""));
        let (database, folder) = shop(EVENTS, &manifest).await;
        let oldest = "SELECT current_date - min(day) FROM mart";
        assert_eq!(database.value(oldest).await, "6");
        database.script("UPDATE mart SET day = current_date - 8 WHERE day = current_date - 6").await;
        let run = as_declared(&database, &folder).await;
        assert_eq!((run.rows_deleted, database.value(oldest).await.as_str()), (Some(2), "5"), "{run:#?}");
    });
}

#[test]
fn other_columns_than_the_mart_s_are_refused() {
    run(async {
        let manifest = "type = \"table\"\nquery = \"SELECT id, amount FROM events\"\n\
             [refresh]\n[refresh.incremental]\nmethod = \"append\"\ntime_column = \"id\"\n";
        let (database, folder) = shop(EVENTS, manifest).await;
        database.script("ALTER TABLE events ALTER amount TYPE numeric(10, 2); INSERT INTO events (day, amount) VALUES (now(), 1.25)").await;
        let failed = as_declared(&database, &folder).await;
        let error = failed.error.expect("an error").message;
        assert!(error.starts_with("the query gives other columns now (id integer, amount numeric(10,2))"), "{error}");
        assert_eq!(database.value("SELECT count(*) FROM mart").await, "60");
    });
}

/// What is asked for beats the manifest, and a materialized view knows only one way.
#[test]
fn what_was_asked_for_decides() {
    run(async {
        let manual = daily(WINDOW, "").replace("strategy = \"incremental\"\n", "strategy = \"full\"\n");
        let (database, folder) = shop(EVENTS, &manual).await;
        assert!(matches!(as_declared(&database, &folder).await.method, Some(Method::Merge | Method::Swap)));
        went(&asked(&database, &folder, How::Incremental).await, Method::Window);
        went(&asked(&database, &folder, How::Smart).await, Method::Window);
        let view = "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM events\"\n[refresh]\nconcurrent = false\n";
        let (database, folder) = shop(EVENTS, view).await;
        let whole = asked(&database, &folder, How::Incremental).await;
        went(&whole, Method::Plain);
        assert_eq!(whole.reason, "whole, for want of [refresh.incremental]; concurrent = false");
    });
}

const PLAIN: &str = "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM events\"\n";

/// A window that is open or closed at this moment, by the minute.
fn window(open: bool) -> String {
    let now = chrono::Utc::now();
    let (from, to) = if open { (-60, 60) } else { (120, 180) };
    let at = |minutes| (now + chrono::TimeDelta::minutes(minutes)).format("%H:%M").to_string();
    format!("[maintenance_window]\nstart = \"{}\"\nend = \"{}\"\n", at(from), at(to))
}

#[test]
fn a_plain_refresh_waits_for_the_maintenance_window() {
    run(async {
        let (database, folder) = shop(EVENTS, PLAIN).await;
        let options = |project: &str| {
            let desired = project::load(Folder::of(&[("project.toml", project), ("mart.toml", PLAIN)]).path());
            Options { window: desired.project.maintenance_window, ..refresh_options() }
        };
        let now = async |project: &str| refreshed(&database, &folder, Asked::default(), &options(project)).await;
        went(&now("").await, Method::Plain);
        went(&now(&window(true)).await, Method::Plain);
        let closed = now(&window(false)).await;
        assert_eq!((closed.status, closed.method), (RunStatus::Skipped, None), "{closed:#?}");
        let told = "a plain refresh makes readers wait: not before the maintenance window, ";
        assert!(closed.reason.starts_with(told), "{closed:#?}");
        let never = now(&format!("{}allow_blocking = false\n", window(true))).await;
        assert_eq!(never.reason, "a plain refresh makes readers wait, which [maintenance_window] never allows");
        // Nobody reads what holds no rows.
        database.script("REFRESH MATERIALIZED VIEW mart WITH NO DATA").await;
        went(&now(&window(false)).await, Method::Plain);
        assert_eq!(database.value("SELECT count(*) FROM datamart.refreshes WHERE status = 'skipped'").await, "2");
    });
}

#[test]
fn nothing_is_computed_whole_while_the_server_is_busy() {
    run(async {
        let (database, folder) = shop(EVENTS, &daily(WINDOW, "")).await;
        let mut busy = database.session().await;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")
            .execute(&mut busy)
            .await
            .expect("a snapshot");
        database.script("INSERT INTO events (day, kind, amount) VALUES (current_date, 'a', 5); DO 'BEGIN END'").await;
        let pause_when = PauseWhen { xmin_age: Some(0), replica_lag: Some(1), active_backends: Some(1_000) };
        let options = Options { pause_when: pause_when.clone(), ..refresh_options() };
        let full = Asked { how: How::Full, ..Asked::default() };
        let paused = refreshed(&database, &folder, full.clone(), &options).await;
        assert_eq!(paused.status, RunStatus::Skipped, "{paused:#?}");
        assert!(paused.reason.starts_with("paused: the oldest snapshot is "), "{paused:#?}");
        assert!(paused.reason.ends_with(" transactions old (xmin_age = 0)"), "{paused:#?}");
        // Some of the rows cost little.
        went(&refreshed(&database, &folder, Asked::default(), &options).await, Method::Window);
        let mut conn = database.session().await;
        let told = refresh::paused(&mut conn, &pause_when).await.expect("a look");
        assert!(told.is_some_and(|told| told.starts_with("paused: ")));
        sqlx::raw_sql("ROLLBACK").execute(&mut busy).await.expect("a rollback");
        let calm = PauseWhen { xmin_age: Some(1_000_000), ..pause_when };
        assert_eq!(refresh::paused(&mut conn, &calm).await.expect("a look"), None);
        let options = Options { pause_when: calm, ..refresh_options() };
        assert_eq!(refreshed(&database, &folder, full, &options).await.status, RunStatus::Success);
    });
}
