//! What people in psql and jobs in the database use: a view of all marts, and procedures that refresh.

use std::time::Duration;

use datamart::database::lock::lock_key;
use datamart::database::{Endpoint, LockSession};
use datamart::refresh::{Asked, DURATION_BOUNDS, refresh};
use serde_json::{Value, json};
use sqlx::postgres::{PgListener, PgRow};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::cli::rig::{ROLE, Rig};
use crate::support::database::{major, run};
use crate::support::project::{items, load, refresh_options};
use crate::support::wait::{PATIENCE, until};

/// Two marts of which one reads the other, one that cannot be computed once there is a zero, and a table.
const CHAIN: &[(&str, &str)] = &[
    ("project.toml", "[project]\nname = \"shop\"\n"),
    (
        "base.toml",
        "type = \"materialized_view\"\nquery = \"SELECT id, 10 / amount AS part FROM source\"\n\
         [[indexes]]\ncolumns = [\"id\"]\nunique = true\n[refresh]\nstrategy = \"scheduled\"\nschedule = \"1h\"\n",
    ),
    (
        "named.toml",
        "name = \"It's \\\"odd\\\"; --\"\ntype = \"materialized_view\"\nquery = \"SELECT sum(part) AS all_parts FROM seen\"\n",
    ),
    ("seen.toml", "type = \"view\"\nquery = \"SELECT * FROM base WHERE id > 0\"\n"),
    ("stored.toml", "type = \"table\"\nquery = \"SELECT id FROM source\"\n"),
];

fn chain() -> Rig {
    let rig = Rig::of(CHAIN);
    rig.sql("CREATE TABLE source (id int, amount int); INSERT INTO source VALUES (1, 1), (2, 5)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig
}

/// A session as psql opens it, of the role that owns the registry or of another.
async fn session(rig: &Rig, role: &str) -> PgConnection {
    let url = rig.url.replace(&format!("user={ROLE}"), &format!("user={role}"));
    PgConnection::connect(&url).await.expect("a session")
}

async fn call(conn: &mut PgConnection, sql: &str) -> Result<PgRow, sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!("CALL datamart.{sql}"))).fetch_one(conn).await
}

/// Status, method, rows and error of a called refresh; whether it took any time.
fn told(row: &PgRow) -> (String, Option<String>, Option<i64>, Option<String>) {
    let duration: Option<f64> = row.get("duration_ms");
    assert_eq!(duration.is_some_and(|ms| ms > 0.0), row.get::<Option<&str>, _>("method").is_some(), "{duration:?}");
    (row.get("status"), row.get("method"), row.get("rows"), row.get("error"))
}

fn refusal(row: Result<PgRow, sqlx::Error>) -> (String, String) {
    let error = row.map(drop).expect_err("refused");
    let said = error.as_database_error().expect("the server's words");
    (said.code().expect("a code").into_owned(), said.message().to_owned())
}

fn success(method: &str, rows: i64) -> (String, Option<String>, Option<i64>, Option<String>) {
    ("success".into(), Some(method.into()), Some(rows), None)
}

#[test]
fn a_session_refreshes_materialized_views_where_no_daemon_leads() {
    let rig = chain();
    rig.sql("INSERT INTO source VALUES (3, 10)");
    run(async {
        let mut listener = PgListener::connect(&rig.url).await.expect("a listener");
        listener
            .listen_all(["datamart_refreshed", "datamart_not_refreshed", "datamart_wake"])
            .await
            .expect("a channel");
        let mut conn = session(&rig, ROLE).await;
        assert_eq!(told(&call(&mut conn, "refresh('base')").await.expect("a row")), success("concurrently", 3));
        let odd =
            call(&mut conn, "refresh('It''s \"odd\"; --', wait => true, concurrent => false)").await.expect("a row");
        assert_eq!((told(&odd), odd.get("mart")), (success("plain", 1), "public.\"It's \"\"odd\"\"; --\""));
        let mut heard = Vec::new();
        for _ in 0..4 {
            let told = tokio::time::timeout(PATIENCE, listener.recv()).await.expect("in time").expect("told");
            heard.push(format!("{} {}", told.channel(), told.payload()));
        }
        let wake = "datamart_wake {\"project\" : \"shop\", \"what\" : \"runs\"}";
        assert_eq!(
            heard,
            [wake, "datamart_refreshed public.base", wake, "datamart_refreshed public.\"It's \"\"odd\"\"; --\""]
        );
        // A table needs more than a statement.
        let (status, method, rows, error) = told(&call(&mut conn, "refresh('public.stored')").await.expect("a row"));
        assert_eq!((status.as_str(), method, rows), ("skipped", None, None));
        assert_eq!(error.as_deref(), Some("no daemon is at work, and a table is for it to refresh"));
    });
    assert_eq!(rig.value("SELECT all_parts FROM \"It's \"\"odd\"\"; --\""), "13");
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!((rig.value(locks).as_str(), rig.value("SELECT count(*) FROM datamart.locks").as_str()), ("0", "0"));
    let counted = "SELECT string_agg(concat_ws(' ', mart, status, runs, buckets[16], cardinality(buckets)), ', ' ORDER BY mart) FROM datamart.totals";
    assert_eq!(rig.value(counted), "It's \"odd\"; -- success 1 1 16, base success 1 1 16, stored skipped 1 0 16");
    let audit = "SELECT string_agg(concat_ws(' ', who, action, address), ', ' ORDER BY id) FROM datamart.audit WHERE action = 'refresh'";
    assert_eq!(
        rig.value(audit),
        "etl refresh public.base, etl refresh public.\"It's \"\"odd\"\"; --\", etl refresh public.stored"
    );
    // The program reads what the session wrote.
    let runs = rig.run(&["history", "base", "--format", "json"]).done().json();
    assert_eq!((&runs["runs"][0]["status"], &runs["runs"][0]["row_count"]), (&json!("success"), &json!(3)), "{runs:#}");
    assert!(runs["runs"][0]["size_bytes"].as_i64().is_some_and(|bytes| bytes > 0), "{runs:#}");
}

#[test]
fn all_are_refreshed_upstream_first_and_not_what_reads_a_failure() {
    let rig = chain();
    run(async {
        let mut conn = session(&rig, ROLE).await;
        let all = call(&mut conn, "refresh_all()").await.expect("a row");
        let counts =
            |row: &PgRow| -> [i32; 4] { ["refreshed", "failed", "skipped", "unfinished"].map(|name| row.get(name)) };
        assert_eq!((counts(&all), all.get::<i64, _>("rows")), ([2, 0, 1, 0], 3));
        rig_sql(&rig, "INSERT INTO source VALUES (4, 0)").await;
        let all = call(&mut conn, "refresh_all(project => 'shop')").await.expect("a row");
        assert_eq!(counts(&all), [0, 1, 2, 0]);
        let results: Value = all.get("results");
        let of = |i: usize| (&results[i]["mart"], &results[i]["status"], &results[i]["error"]);
        assert_eq!(of(0), (&json!("public.base"), &json!("failed"), &json!("division by zero")), "{results:#}");
        let blocked = json!("public.base, which it reads, was not refreshed");
        assert_eq!(of(2), (&json!("public.\"It's \"\"odd\"\"; --\""), &json!("skipped"), &blocked), "{results:#}");
        // One row per mart, of the last call or of any.
        let rows = "SELECT string_agg(concat_ws(' ', mart, status), ', ' ORDER BY run) FROM datamart.results(";
        let last: String =
            sqlx::query_scalar(AssertSqlSafe(format!("{rows})"))).fetch_one(&mut conn).await.expect("rows");
        assert_eq!(last, "public.base failed, public.stored skipped, public.\"It's \"\"odd\"\"; --\" skipped");
        let request: i64 = all.get("request");
        let mut other = session(&rig, ROLE).await;
        let same: String =
            sqlx::query_scalar(AssertSqlSafe(format!("{rows}{request})"))).fetch_one(&mut other).await.expect("rows");
        assert_eq!(same, last);
        let failure = "SELECT error FROM datamart.refreshes WHERE status = 'failed'";
        let failure: Value = sqlx::query_scalar(failure).fetch_one(&mut conn).await.expect("an error");
        assert_eq!((&failure["kind"], &failure["sqlstate"]), (&json!("data"), &json!("22012")), "{failure}");
    });
}

async fn rig_sql(rig: &Rig, sql: &str) {
    let mut conn = session(rig, ROLE).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("sql");
}

/// Leads, and runs what waits, as a daemon does; ends with the lock.
async fn lead(rig: &Rig, mut enough: impl AsyncFnMut() -> bool) {
    let endpoint = Endpoint::from_url(&rig.url).expect("an endpoint");
    let mut lock = LockSession::open(&endpoint, "datamart", "shop", "daemon").await.expect("a session");
    lock.acquire("leader", Duration::ZERO).await.expect("the lock");
    let desired = load(&rig.folder.path().join("datamarts"));
    let options = datamart::refresh::Options { project: "shop".into(), epoch: Some(1), ..refresh_options() };
    let mut conn = endpoint.session("test").await.expect("a session");
    until("enough is run", async || {
        let waiting = "SELECT run, mart FROM datamart.refreshes WHERE status = 'queued' ORDER BY run";
        for row in sqlx::query(waiting).fetch_all(&mut conn).await.expect("rows") {
            let mut items = items(&mut endpoint.session("test").await.expect("a session"), &desired).await;
            items.retain(|item| item.mart.name == row.get::<&str, _>("mart"));
            items.iter_mut().for_each(|item| item.asked = Asked { run: Some(row.get("run")), ..Asked::default() });
            refresh(&endpoint, &items, &options, &|| false, &mut |_| {}).await.expect("runs");
        }
        enough().await
    })
    .await;
    lock.close().await.expect("closed");
}

#[test]
fn a_daemon_does_what_a_session_asks_for() {
    let rig = chain();
    run(async {
        let mut watch = session(&rig, ROLE).await;
        let leading = async |conn: &mut PgConnection| -> bool {
            sqlx::query_scalar("SELECT datamart.is_led('shop')").fetch_one(conn).await.expect("an answer")
        };
        assert!(!leading(&mut watch).await);
        let ended = std::cell::Cell::new(false);
        let asking = async {
            until("a daemon leads", async || leading(&mut watch).await).await;
            let mut conn = session(&rig, ROLE).await;
            let table = call(&mut conn, "refresh('stored', timeout => '1 minute')").await;
            let all = call(&mut conn, "refresh_all()").await;
            ended.set(true);
            (table.expect("a row"), all.expect("a row"))
        };
        let ((), (table, all)) = futures_util::future::join(lead(&rig, async || ended.get()), asking).await;
        assert_eq!(told(&table), success("merge", 2));
        assert_eq!((all.get::<i32, _>("refreshed"), all.get::<i64, _>("rows")), (3, 5));
        let epochs = "SELECT string_agg(DISTINCT epoch::text, ' ') FROM datamart.refreshes";
        assert_eq!(sqlx::query_scalar::<_, String>(epochs).fetch_one(&mut watch).await.expect("epochs"), "1");
    });
}

#[test]
fn waiting_ends_in_time_and_nobody_need_wait() {
    let rig = chain();
    run(async {
        let endpoint = Endpoint::from_url(&rig.url).expect("an endpoint");
        let mut lock = LockSession::open(&endpoint, "datamart", "shop", "daemon").await.expect("a session");
        lock.acquire("leader", Duration::ZERO).await.expect("the lock");
        let mut conn = session(&rig, ROLE).await;
        let row = call(&mut conn, "refresh('base', wait => false)").await.expect("a row");
        let first: i64 = row.get("run");
        assert_eq!(told(&row), ("queued".into(), None, None, None));
        // Asked for alike, it waits once; asked for otherwise, again.
        let row = call(&mut conn, "refresh('base', timeout => '50 ms')").await.expect("a row");
        assert_eq!(
            (row.get::<i64, _>("run"), row.get("error")),
            (first, Some("still queued after 00:00:00.05; it goes on"))
        );
        let row = call(&mut conn, "refresh('base', how => 'full', wait => false)").await.expect("a row");
        assert_ne!(row.get::<i64, _>("run"), first);
        let waiting = "SELECT string_agg(options::text, '') FROM datamart.refreshes WHERE status = 'queued'";
        let options: String = sqlx::query_scalar(waiting).fetch_one(&mut conn).await.expect("options");
        assert_eq!(options, "{\"how\": \"full\"}");
        lock.close().await.expect("closed");
        // With the daemon gone the session does what waits.
        let row = call(&mut conn, "refresh('base')").await.expect("a row");
        assert_eq!((row.get::<i64, _>("run"), told(&row)), (first, success("concurrently", 2)));
    });
}

#[test]
fn what_cannot_be_asked_for_is_said() {
    let rig = chain();
    rig.sql("CREATE SCHEMA eu; INSERT INTO datamart.marts (project, schema, name, kind, status) VALUES ('other', 'eu', 'base', 'table', 'active')");
    run(async {
        let mut conn = session(&rig, ROLE).await;
        let mut refused = async |sql: &str| refusal(call(&mut conn, sql).await);
        let ambiguous = "base may be eu.base (project other) or public.base (project shop)";
        assert_eq!(refused("refresh('base')").await, ("42725".into(), ambiguous.into()));
        for (sql, code, words) in [
            ("refresh('nothing')", "42704", "no mart is named nothing"),
            ("refresh('base', project => 'none')", "42704", "no mart is named base"),
            ("refresh_all(project => 'none')", "42704", "no project is named none"),
            ("refresh('seen')", "42809", "public.seen has no rows of its own: it is a view"),
            ("refresh('public.base', how => 'half')", "22023", "how is 'half', not full, incremental or smart"),
            ("refresh('public.base', days => 2)", "22023", "days goes with how => 'incremental' and counts from 1"),
            (
                "refresh('public.base', how => 'incremental', days => 0)",
                "22023",
                "days goes with how => 'incremental' and counts from 1",
            ),
            ("refresh(NULL)", "22004", "which mart is to be refreshed is not said"),
            ("refresh('x''; DROP TABLE source; --')", "42704", "no mart is named x'; DROP TABLE source; --"),
        ] {
            assert_eq!(refused(sql).await, (code.into(), words.into()), "{sql}");
        }
        // Somebody else has the mart's lock.
        let endpoint = Endpoint::from_url(&rig.url).expect("an endpoint");
        let mut lock = LockSession::open(&endpoint, "datamart", "shop", "refresh lock").await.expect("a session");
        lock.acquire("mart:public.base", Duration::ZERO).await.expect("the lock");
        let (status, _, _, error) = told(&call(&mut conn, "refresh('public.base')").await.expect("a row"));
        let error = error.unwrap_or_default();
        assert_eq!(status, "skipped");
        let start = "another run holds the lock of public.base (datamart: refresh lock, on ";
        assert!(error.starts_with(start) && error.ends_with(&format!("pid {})", lock.pid())), "{error}");
        // As the command line has it, and the history: the same word, and what reads it does not go on without it.
        rig_sql(&rig, "DELETE FROM datamart.refreshes").await;
        call(&mut conn, "refresh_all(project => 'shop')").await.expect("a row");
        let history = "SELECT string_agg(concat_ws(' ', mart, status, reason, error ->> 'kind'), ', ' ORDER BY run) FROM datamart.refreshes
                       WHERE mart LIKE '%odd%' OR mart = 'base'";
        let told: String = sqlx::query_scalar(history).fetch_one(&mut conn).await.expect("a history");
        let above = "skipped public.base, which it reads, was not refreshed";
        assert_eq!(told, format!("base skipped another run holds it lock, It's \"odd\"; -- {above}"));
        rig_sql(&rig, "DELETE FROM datamart.refreshes").await;
        let by_hand = rig.run(&["refresh", "base", "-q"]).ended(1);
        let told: String = sqlx::query_scalar(history).fetch_one(&mut conn).await.expect("a history");
        assert_eq!(told, "base skipped another run holds it lock", "{by_hand}");
        // A transaction of the caller's cannot be ended by a procedure; nothing was done then.
        let before: i64 =
            sqlx::query_scalar("SELECT count(*) FROM datamart.refreshes").fetch_one(&mut conn).await.expect("runs");
        let mut transaction = conn.begin().await.expect("a transaction");
        assert_eq!(refusal(call(&mut transaction, "refresh('public.base')").await).0, "2D000");
        transaction.rollback().await.expect("rolled back");
        let after: i64 =
            sqlx::query_scalar("SELECT count(*) FROM datamart.refreshes").fetch_one(&mut conn).await.expect("runs");
        assert_eq!(after, before);
    });
}

#[test]
fn a_timeout_of_the_session_ends_the_refresh_and_leaves_its_row() {
    let rig = chain();
    rig.write("slow.toml", "type = \"materialized_view\"\nquery = \"SELECT pg_sleep(amount * 30) IS NULL AS slept FROM source WHERE id = 99\"\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("INSERT INTO source VALUES (99, 1)");
    run(async {
        let mut conn = session(&rig, ROLE).await;
        sqlx::query("SET statement_timeout = '3s'").execute(&mut conn).await.expect("a setting");
        let (status, method, _, error) = told(&call(&mut conn, "refresh('slow')").await.expect("a row"));
        assert_eq!((status.as_str(), method.as_deref()), ("failed", Some("plain")));
        assert_eq!(error.as_deref(), Some("canceling statement due to statement timeout"));
    });
    assert_eq!(rig.value("SELECT error ->> 'kind' FROM datamart.refreshes"), "timeout");
    assert_eq!(rig.value("SELECT count(*) FROM datamart.locks"), "0");
}

#[test]
fn nobody_may_but_who_is_granted() {
    let rig = chain();
    let name = format!("{}_job", rig.database.name);
    rig.sql_as_superuser(&format!("CREATE ROLE {name} LOGIN"));
    let open = "SELECT coalesce(string_agg(p.proname::text, ' '), 'none') FROM pg_proc AS p
                WHERE p.pronamespace = 'datamart'::regnamespace AND p.prorettype <> 'trigger'::regtype
                AND has_function_privilege('public', p.oid, 'EXECUTE')";
    assert_eq!(rig.value(open), "none");
    // Each runs with a search path of its own, but for the procedures, which run as the caller.
    let loose = "SELECT string_agg(p.proname::text, ' ' ORDER BY p.proname) FROM pg_proc AS p WHERE p.pronamespace = 'datamart'::regnamespace
                 AND p.prorettype IS DISTINCT FROM 'trigger'::regtype
                 AND (p.prosecdef AND p.proconfig IS NULL OR NOT p.prosecdef)";
    assert_eq!(rig.value(loose), "refresh refresh_all see_through");
    run(async {
        let mut conn = session(&rig, &name).await;
        assert_eq!(refusal(call(&mut conn, "refresh('base')").await).0, "42501");
        rig_sql(&rig, &format!("GRANT USAGE ON SCHEMA datamart TO {name}")).await;
        assert_eq!(
            refusal(call(&mut conn, "refresh('base')").await),
            ("42501".into(), "permission denied for procedure refresh".into())
        );
        rig_sql(
            &rig,
            &format!(
                "GRANT EXECUTE ON ALL ROUTINES IN SCHEMA datamart TO {name}; GRANT SELECT ON datamart.status TO {name}"
            ),
        )
        .await;
        assert_eq!(told(&call(&mut conn, "refresh('base')").await.expect("a row")), success("concurrently", 2));
        let status: String = sqlx::query_scalar("SELECT last_status FROM datamart.status WHERE mart = 'base'")
            .fetch_one(&mut conn)
            .await
            .expect("a status");
        assert_eq!(status, "success");
        // It may ask for refreshes, and reads nothing of the mart by that.
        for sql in ["SELECT * FROM base", "SELECT * FROM datamart.refreshes", "DELETE FROM datamart.audit"] {
            let error = sqlx::raw_sql(sql).execute(&mut conn).await.map(drop).expect_err("refused");
            assert_eq!(error.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"), "{sql}");
        }
    });
    assert_eq!(rig.value("SELECT requested_by FROM datamart.refreshes"), name);
}

#[test]
fn the_view_tells_how_every_mart_is() {
    let rig = chain();
    let of = |mart: &str| {
        let columns =
            "type, strategy, status, freshness, suspended, rows, next_run IS NOT NULL, last_run, last_status, version";
        rig.value(&format!("SELECT concat_ws(' ', {columns}) FROM datamart.status WHERE mart = '{mart}'"))
    };
    assert_eq!(of("base"), "materialized_view scheduled active fresh f 2 t");
    assert_eq!(of("seen"), "view manual active fresh f f");
    rig.run(&["refresh", "base", "-q"]).done();
    assert_eq!(of("base"), "materialized_view scheduled active fresh f 2 t 1 success");
    let due = "SELECT next_run = last_started_at + interval '1 hour' AND bytes > 0 AND age_seconds < 60 AND last_success_at = last_finished_at
               FROM datamart.status WHERE mart = 'base'";
    assert_eq!(rig.value(due), "true");
    rig.sql("UPDATE datamart.refreshes SET started_at = now() - interval '90 min'; UPDATE datamart.marts SET created_at = now() - interval '3 h'");
    assert_eq!(of("base"), "materialized_view scheduled active warning f 2 t 1 success");
    rig.sql("UPDATE datamart.refreshes SET started_at = now() - interval '150 min'");
    assert_eq!(of("base"), "materialized_view scheduled stale stale f 2 t 1 success");
    rig.sql(
        "INSERT INTO datamart.overrides (project, schema, name, what, who) VALUES ('shop', '', '', 'suspend', 'ana')",
    );
    assert_eq!(of("base"), "materialized_view scheduled stale stale t 2 f 1 success");
    rig.sql("UPDATE datamart.refreshes SET status = 'failed', error = '{\"message\": \"no luck\"}'");
    assert_eq!(
        rig.value("SELECT status || ' ' || last_error FROM datamart.status WHERE mart = 'base'"),
        "error no luck"
    );
    rig.sql("DROP MATERIALIZED VIEW base CASCADE");
    assert_eq!(
        rig.value("SELECT status || coalesce(freshness, ' -') FROM datamart.status WHERE mart = 'base'"),
        "error -"
    );
    // What has no rows has no age, and what was never filled is not fresh.
    let ages = "SELECT string_agg(concat_ws(' ', mart, status, freshness, age_seconds), ', ' ORDER BY mart) FROM datamart.status
                WHERE mart IN ('base', 'seen', 'stored')";
    rig.sql("DROP TABLE stored; CREATE MATERIALIZED VIEW stored AS SELECT 1 AS id WITH NO DATA");
    assert_eq!(rig.value(ages), "base error, seen error, stored error");
}

#[test]
fn the_age_of_data_is_that_of_its_newest_row() {
    let rig = chain();
    rig.write("days.toml", "type = \"table\"\nquery = \"SELECT id, now() AS at FROM source\"\n[freshness]\ncolumn = \"at\"\nwarn_after = \"5m\"\nerror_after = \"10m\"\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.run(&["refresh", "days", "-q"]).done();
    let freshness = "SELECT freshness FROM datamart.status WHERE mart = 'days'";
    assert_eq!(rig.value(freshness), "fresh");
    for (newest, expected) in [
        ("to_jsonb(now() - interval '7 min') #>> '{}'", "warning"),
        ("to_jsonb((now() - interval '11 min') AT TIME ZONE 'UTC') #>> '{}'", "stale"),
        ("to_jsonb((now() AT TIME ZONE 'UTC') - interval '1 min') #>> '{}'", "fresh"),
        ("(now() AT TIME ZONE 'UTC')::date - 1", "stale"),
        // What is no moment counts by the run.
        ("'42'", "fresh"),
        ("'9999-99-99T99:99:99'", "fresh"),
        ("'0000-00-00'", "stale"),
    ] {
        rig.sql(&format!("UPDATE datamart.refreshes SET newest = {newest}"));
        assert_eq!(rig.value(freshness), expected, "{newest}");
    }
}

/// As the program reads it: what has no zone is a time of the mart's.
#[test]
fn the_newest_row_is_of_the_mart_s_time_zone() {
    let rig = chain();
    let days = "type = \"table\"\nquery = \"SELECT id, now()::timestamp AS at FROM source\"\n[refresh]\ntimezone = \"Asia/Tokyo\"\n\
                [freshness]\ncolumn = \"at\"\nerror_after = \"10m\"\n";
    rig.write("days.toml", days);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let run = rig.run(&["refresh", "days", "--format", "json"]).done().json();
    let newest = run["runs"][0]["newest"].as_str().unwrap_or_default();
    let newest = chrono::DateTime::parse_from_rfc3339(newest).unwrap_or_else(|error| panic!("{error}: {run:#}"));
    assert!(
        newest.offset().local_minus_utc() == 0 && (chrono::Utc::now() - newest.to_utc()).num_minutes() < 5,
        "{run:#}"
    );
    assert_eq!(rig.value("SELECT freshness FROM datamart.status WHERE mart = 'days'"), "fresh");
    rig.sql("UPDATE datamart.refreshes SET newest = to_jsonb((now() AT TIME ZONE 'Asia/Tokyo') - interval '11 min') #>> '{}'");
    assert_eq!(rig.value("SELECT freshness FROM datamart.status WHERE mart = 'days'"), "stale");
    let told = rig.run(&["status", "--format", "json"]).done().json();
    let days = told["marts"].as_array().and_then(|marts| marts.iter().find(|mart| mart["name"] == "days"));
    assert_eq!(days.map(|days| &days["freshness"]), Some(&json!("stale")), "{told}");
}

/// What cron means is told by SQL as far as it has one answer all the time; elsewhere `warn_after` is no error.
#[test]
fn a_mart_with_a_cron_schedule_is_as_fresh_as_the_program_says() {
    let rig = chain();
    let mart = |name: &str, schedule: &str, freshness: &str| {
        let refresh = format!("[refresh]\nstrategy = \"scheduled\"\nschedule = {schedule}\n{freshness}");
        rig.write(&format!("{name}.toml"), &format!("type = \"table\"\nquery = \"SELECT id FROM source\"\n{refresh}"));
    };
    mart("hourly", "\"5 * * * *\"", "");
    mart("often", "\"*/15 * * * *\"", "");
    mart("nightly", "\"0  3 * * *\"", "");
    mart("weekly", "[\"@weekly\", \"0 3 * * mon\"]", "");
    mart("sixth", "[\"0 */6 * * *\", \"1d\"]", "");
    mart("warned", "\"0 3 * * *\"", "[freshness]\nwarn_after = \"1h\"\n");
    mart("worked", "\"0 9 * * 1-5\"", "[freshness]\nwarn_after = \"1h\"\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.run(&["refresh", "--all", "-q"]).done();
    let view = "SELECT string_agg(concat_ws(' ', mart, freshness), ', ' ORDER BY mart)
                FROM datamart.status WHERE type = 'table' AND mart <> 'stored'";
    let by_program = || {
        let told = rig.run(&["status", "--format", "json"]).done().json();
        let marts = told["marts"].as_array().cloned().unwrap_or_default();
        let of = |word: &str| {
            let found = marts.iter().find(|mart| mart["name"] == word).cloned().unwrap_or_default();
            format!("{word} {}", found["freshness"].as_str().unwrap_or_default())
        };
        ["hourly", "nightly", "often", "sixth", "warned", "weekly", "worked"].map(of).join(", ")
    };
    assert_eq!(rig.value(view), by_program());
    let older = |age: &str| {
        rig.sql(&format!(
            "UPDATE datamart.refreshes SET started_at = now() - interval '{age}';
             UPDATE datamart.marts SET created_at = now() - interval '9 d', changed_at = now() - interval '9 d';
             UPDATE datamart.versions SET created_at = now() - interval '9 d'"
        ));
    };
    older("90 min");
    let expected =
        "hourly warning, nightly fresh, often stale, sixth fresh, warned warning, weekly fresh, worked warning";
    assert_eq!((rig.value(view).as_str(), by_program().as_str()), (expected, expected));
    older("50 h");
    let expected = "hourly stale, nightly stale, often stale, sixth stale, warned stale, weekly fresh, worked warning";
    assert_eq!(rig.value(view), expected);
}

/// Nothing that does not begin by itself has a next run, and what holds instead of the manifest says when it is.
#[test]
fn the_next_run_is_by_what_holds() {
    let rig = chain();
    let next = "SELECT round(extract(epoch FROM next_run - coalesce(last_started_at, created_at))) FROM datamart.status WHERE mart = 'base'";
    assert_eq!(rig.value(next), "3600");
    rig.sql(
        "INSERT INTO datamart.overrides (project, schema, name, what, value, file, who)
         VALUES ('shop', 'public', 'base', 'schedule', '{\"schedule\": [\"10m\"]}', 'x', 'ana')",
    );
    assert_eq!(rig.value(next), "600");
    rig.sql("UPDATE datamart.marts SET declared = jsonb_set(declared, '{refresh,suspend}', 'true')");
    assert_eq!(
        rig.value("SELECT (next_run IS NULL AND suspended)::text FROM datamart.status WHERE mart = 'base'"),
        "true"
    );
}

#[test]
fn what_writers_keep_has_no_age() {
    let rig = chain();
    rig.sql("UPDATE datamart.marts SET created_at = now() - interval '9 days', changed_at = now() - interval '9 days'");
    let age = "SELECT freshness || ' ' || age_seconds FROM datamart.status WHERE mart = 'stored'";
    assert!(rig.value(age).starts_with("stale 7776"), "{}", rig.value(age));
    rig.sql("UPDATE datamart.marts SET declared = jsonb_set(declared, '{refresh,strategy}', '\"on_commit\"')");
    assert_eq!(rig.value(age), "fresh 0");
}

/// Who says that no reader shall wait does not find out by waiting.
#[test]
fn who_has_versions_is_where_its_rows_are() {
    let versioned = "type = \"materialized_view\"\nquery = \"SELECT id FROM source\"\n[versions]\nkeep = 2\n";
    let rig = Rig::of(&[("project.toml", "[project]\nname = \"shop\"\n"), ("Sales 1.toml", versioned)]);
    rig.sql("CREATE TABLE source (id int); INSERT INTO source VALUES (1), (2)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let state = "SELECT concat_ws(' ', status, freshness, rows) FROM datamart.status";
    assert_eq!(rig.value(state), "active fresh 2");
    run(async {
        let mut conn = session(&rig, ROLE).await;
        rig_sql(&rig, "INSERT INTO source VALUES (3)").await;
        let row = call(&mut conn, "refresh('Sales 1')").await.expect("a refresh");
        assert_eq!(told(&row), success("plain", 3));
    });
    assert_eq!(rig.value("SELECT count(*) FROM \"Sales 1\""), "3");
}

#[test]
fn a_session_makes_no_reader_wait_where_that_is_forbidden() {
    let rig = chain();
    run(async {
        let mut conn = session(&rig, ROLE).await;
        let row = call(&mut conn, "refresh('It''s \"odd\"; --', concurrent => true)").await.expect("a row");
        let (status, method, _, error) = told(&row);
        assert_eq!((status.as_str(), method), ("failed", None));
        let words = "CONCURRENTLY needs a unique index on plain columns of public.\"It's \"\"odd\"\"; --\", without a predicate";
        assert_eq!(error.as_deref(), Some(words));
        assert_eq!(
            told(&call(&mut conn, "refresh('base', concurrent => true)").await.expect("a row")),
            success("concurrently", 2)
        );
        rig_sql(&rig, "REFRESH MATERIALIZED VIEW base WITH NO DATA").await;
        let (.., error) = told(&call(&mut conn, "refresh('base', concurrent => true)").await.expect("a row"));
        assert_eq!(error.as_deref(), Some("public.base holds no rows yet, so it cannot be refreshed CONCURRENTLY"));
    });
    assert_eq!(
        rig.value("SELECT DISTINCT error ->> 'kind' FROM datamart.refreshes WHERE status = 'failed'"),
        "missing"
    );
}

/// Whoever cancels the refresh of everything does not cancel that of one mart.
#[test]
fn a_call_that_is_cancelled_asks_for_nothing_more() {
    let rig = chain();
    let slow = "type = \"materialized_view\"\nquery = \"SELECT pg_sleep(amount * 30) IS NULL AS slept FROM source WHERE id = 99\"\n";
    rig.write("aa.toml", slow);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.sql("INSERT INTO source VALUES (99, 1)");
    run(async {
        let mut conn = session(&rig, ROLE).await;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut conn).await.expect("a number");
        let cancel = async {
            let asleep = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep' AND query LIKE '%refresh_all%'"
            );
            let began = "SELECT count(*) FROM datamart.refreshes WHERE status = 'running'";
            until("it sleeps", async || {
                rig.database.value(began).await == "1" && rig.database.value(&asleep).await == "1"
            })
            .await;
            rig_sql(&rig, &format!("SELECT pg_cancel_backend({pid})")).await;
        };
        let (row, ()) = tokio::join!(call(&mut conn, "refresh_all()"), cancel);
        let row = row.expect("a row");
        assert_eq!((row.get::<i32, _>("refreshed"), row.get::<i32, _>("unfinished")), (0, 0));
    });
    let left =
        "SELECT string_agg(concat_ws(' ', mart, status, error ->> 'kind'), ', ' ORDER BY run) FROM datamart.refreshes";
    let left = rig.value(left);
    assert!(left.contains("aa cancelled cancelled") && left.contains("base cancelled cancelled"), "{left}");
    assert_eq!(rig.value("SELECT count(*) FROM datamart.refreshes WHERE status IN ('queued', 'running')"), "0");
}

#[test]
fn sql_and_program_mean_the_same() {
    let rig = chain();
    for name in ["leader", "mart:public.base", "mart:public.\"It's \"\"odd\"\"; --\"", "mart:públic.ñ"] {
        let theirs = rig.value(&format!("SELECT datamart.lock_key('shop', '{}')", name.replace('\'', "''")));
        assert_eq!(theirs, lock_key("datamart", "shop", name).to_string(), "{name}");
    }
    let bounds: Vec<String> = DURATION_BOUNDS.iter().map(ToString::to_string).collect();
    let sql = include_str!("../../../src/database/registry/0005.sql");
    assert!(sql.contains(&format!("'{{{},Infinity}}'", bounds.join(","))), "{bounds:?}");
    assert!(major() >= 14);
}
