//! Marts that follow marts, at one snapshot.

use std::cell::Cell;
use std::time::{Duration, Instant};

use datamart::plan;
use datamart::refresh::{self, Asked, How, Method, Run, RunStatus};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::shop::ORDERS;
use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh_options};
use crate::support::wait::{PATIENCE, until};

const A: &str = "SELECT id, coalesce(region, 'none') AS region, amount FROM orders";
const B: &str = "SELECT region, sum(amount) AS total FROM a GROUP BY region";
const C: &str = "SELECT region, count(*) AS n FROM a GROUP BY region";
const D: &str = "SELECT b.region, b.total, c.n, o.orders FROM b JOIN c USING (region)
    JOIN (SELECT coalesce(region, 'none') AS region, count(*) AS orders FROM orders GROUP BY 1) AS o USING (region)";

fn mart(query: &str, key: &str, more: &str) -> String {
    format!(
        "type = \"table\"\nquery = \"\"\"{query}\"\"\"\nprimary_key = [\"{key}\"]\n[refresh]\nstrategy = \"incremental\"\n{more}"
    )
}

pub async fn diamond() -> (Database, Folder) {
    let database = Database::new().await;
    database.script(ORDERS).await;
    let folder = Folder::of(&[
        ("a.toml", &mart(A, "id", "")),
        ("b.toml", &mart(B, "region", "")),
        ("c.toml", &mart(C, "region", "")),
        ("d.toml", &mart(D, "region", "")),
    ]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    all(&database, &folder, How::AsDeclared).await;
    (database, folder)
}

pub async fn all(database: &Database, folder: &Folder, how: How) -> Vec<Run> {
    all_with(database, folder, how, &refresh_options()).await
}

pub async fn all_with(database: &Database, folder: &Folder, how: How, options: &refresh::Options) -> Vec<Run> {
    let desired = project::load(folder.path());
    let mut conn = database.session().await;
    let mut items = project::items(&mut conn, &desired).await;
    items.iter_mut().for_each(|item| item.asked = Asked { how, ..Asked::default() });
    let runs = refresh::refresh(&database.endpoint, &items, options, &|| false, &mut |_| {}).await;
    runs.unwrap_or_else(|error| panic!("{error}"))
}

pub async fn is_exact(database: &Database, folder: &Folder) {
    let mut conn = database.session().await;
    for mart in &project::load(folder.path()).marts {
        project::is_its_query(&mut conn, &mart.mart).await;
    }
}

pub fn snapshots(runs: &[Run]) -> Vec<&str> {
    let mut snapshots: Vec<&str> = runs.iter().filter_map(|run| run.snapshot.as_deref()).collect();
    snapshots.dedup();
    snapshots
}

pub fn went(runs: &[Run]) -> Vec<(Option<Method>, RunStatus)> {
    runs.iter().map(|run| (run.method, run.status)).collect()
}

pub const CHANGES: (Option<Method>, RunStatus) = (Some(Method::Changes), RunStatus::Success);
pub const NOTHING: (Option<Method>, RunStatus) = (Some(Method::Changes), RunStatus::Noop);

#[test]
fn a_diamond_stands_at_one_snapshot() {
    run(async {
        let (database, folder) = diamond().await;
        database
            .script("INSERT INTO orders VALUES (20, 'north', 5), (21, 'new', 7); DELETE FROM orders WHERE id = 1")
            .await;
        let runs = all(&database, &folder, How::AsDeclared).await;
        assert_eq!(went(&runs), [CHANGES; 4], "{runs:#?}");
        assert_eq!(snapshots(&runs).len(), 1, "{runs:#?}");
        is_exact(&database, &folder).await;
        // What one of them wrote in that transaction, the others have seen.
        let runs = all(&database, &folder, How::AsDeclared).await;
        assert_eq!(went(&runs), [NOTHING; 4], "{runs:#?}");
        let history = "SELECT count(DISTINCT xmin::text) || ' ' || count(*) FROM datamart.refreshes WHERE status = 'success' AND method = 'changes'";
        assert_eq!(database.value(history).await, "1 4");
        // A log that all have seen can be emptied.
        let mut conn = database.session().await;
        sqlx::raw_sql("UPDATE datamart.captures SET rotated_at = now() - interval '1 hour', segment = 1")
            .execute(&mut conn)
            .await
            .expect("another segment");
        refresh::tidy_logs(&mut conn, "datamart", "default", None).await.expect("tidied");
        let left = "SELECT count(*) FROM datamart.changes_default_public_a_0";
        assert_eq!(database.value(left).await, "0");
    });
}

/// What has to be computed whole is, after those that do not read it; what reads it follows.
#[test]
fn what_is_computed_whole_is_no_part_of_it() {
    run(async {
        let (database, folder) = diamond().await;
        database.script("INSERT INTO orders VALUES (20, 'north', 5)").await;
        database.script("UPDATE datamart.positions SET fingerprint = jsonb_set(fingerprint::jsonb, '{settings}', '\"\"')::text WHERE name = 'b'").await;
        let runs = all(&database, &folder, How::AsDeclared).await;
        assert_eq!(went(&runs), [CHANGES, (Some(Method::Merge), RunStatus::Success), CHANGES, CHANGES], "{runs:#?}");
        let of = |at: usize| runs[at].snapshot.as_deref();
        assert!(of(0) == of(2) && of(0) != of(3), "{runs:#?}");
        is_exact(&database, &folder).await;
        assert_eq!(went(&all(&database, &folder, How::AsDeclared).await), [NOTHING; 4]);
        // All rows of all of them: each alone.
        database.script("INSERT INTO orders VALUES (22, 'south', 5)").await;
        let runs = all(&database, &folder, How::Full).await;
        assert!(
            runs.iter().all(|run| run.status == RunStatus::Success && run.method != Some(Method::Changes)),
            "{runs:#?}"
        );
        is_exact(&database, &folder).await;
    });
}

/// One that fails takes those along that read it, and nobody else.
#[test]
fn what_fails_leaves_the_others() {
    run(async {
        let (database, folder) = diamond().await;
        let check = "[[checks]]\nsql = \"SELECT * FROM {this} WHERE total > 1000\"\n";
        folder.write("b.toml", &mart(B, "region", check));
        converge(&database, folder.path(), &plan::Options::default()).await;
        all(&database, &folder, How::AsDeclared).await;
        database.script("INSERT INTO orders VALUES (20, 'north', 5000)").await;
        let runs = all(&database, &folder, How::AsDeclared).await;
        let failed = (Some(Method::Changes), RunStatus::Failed);
        assert_eq!(went(&runs), [CHANGES, failed, CHANGES, (None, RunStatus::Skipped)], "{runs:#?}");
        assert_eq!(runs[3].reason, "public.b, which it reads, was not refreshed");
        database.script("UPDATE orders SET amount = 50 WHERE id = 20").await;
        assert_eq!(went(&all(&database, &folder, How::AsDeclared).await), [CHANGES; 4]);
        is_exact(&database, &folder).await;
        let open = "SELECT count(*) FROM datamart.refreshes WHERE status = 'running'";
        assert_eq!(database.value(open).await, "0");
    });
}

/// Who is refreshed by somebody else holds up those that read it, and nobody else.
#[test]
fn what_is_held_is_refreshed_by_itself() {
    run(async {
        let (database, folder) = diamond().await;
        database.script("INSERT INTO orders VALUES (20, 'north', 5)").await;
        let mut locks = datamart::database::LockSession::open(&database.endpoint, "datamart", "default", "test")
            .await
            .expect("locks");
        locks.acquire("mart:public.c", Duration::ZERO).await.expect("the lock");
        let runs = all(&database, &folder, How::AsDeclared).await;
        assert_eq!(
            went(&runs),
            [CHANGES, CHANGES, (None, RunStatus::Skipped), (None, RunStatus::Skipped)],
            "{runs:#?}"
        );
        locks.close().await.expect("closed");
        assert_eq!(went(&all(&database, &folder, How::AsDeclared).await), [NOTHING, NOTHING, CHANGES, CHANGES]);
        is_exact(&database, &folder).await;
    });
}

/// Who waits for somebody else's rows begins again, by itself; the others do not wait for that.
#[test]
fn what_meets_somebody_else_is_refreshed_by_itself() {
    run(async {
        let (database, folder) = diamond().await;
        database.script("INSERT INTO orders VALUES (20, 'north', 5)").await;
        let mut other = database.session().await;
        sqlx::raw_sql("BEGIN; UPDATE public.b SET total = total + 1 WHERE region = 'north'")
            .execute(&mut other)
            .await
            .expect("an update");
        let blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'datamart%' AND datname = current_database()";
        let commit = async {
            until("the refresh waits", async || database.value(blocked).await != "0").await;
            sqlx::raw_sql("COMMIT").execute(&mut other).await.expect("committed");
        };
        let (runs, ()) = tokio::join!(all(&database, &folder, How::AsDeclared), commit);
        assert_eq!(went(&runs), [CHANGES; 4], "{runs:#?}");
        let of = |at: usize| runs[at].snapshot.as_deref();
        assert!(of(0) == of(2) && of(0) != of(1), "{runs:#?}");
        is_exact(&database, &folder).await;
    });
}

/// The locks of all of them went with their session: nobody goes on without.
#[test]
fn what_is_left_when_the_session_ends_is_not_refreshed_without_its_lock() {
    run(async {
        let (database, folder) = diamond().await;
        // Both have to compute all of their rows, one after the other.
        database.script("INSERT INTO orders VALUES (20, 'north', 5)").await;
        database.script("UPDATE datamart.positions SET fingerprint = jsonb_set(fingerprint::jsonb, '{settings}', '\"\"')::text WHERE name IN ('b', 'c')").await;
        let mut other = database.session().await;
        sqlx::raw_sql("BEGIN; UPDATE public.b SET total = total + 1 WHERE region = 'north'")
            .execute(&mut other)
            .await
            .expect("an update");
        let blocked = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'datamart%' AND datname = current_database()";
        let kill = async {
            until("a refresh waits", async || database.value(blocked).await != "NULL").await;
            database.value(&format!("SELECT pg_terminate_backend(pid) FROM ({blocked}) AS b")).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("rolled back");
        };
        let (runs, ()) = tokio::join!(all(&database, &folder, How::AsDeclared), kill);
        let kinds: Vec<_> = runs.iter().map(|run| run.error.as_ref().map(|error| error.kind.as_str())).collect();
        assert_eq!(kinds, [None, Some("connection"), Some("connection"), None], "{runs:#?}");
        assert_eq!(runs[3].status, RunStatus::Skipped, "{runs:#?}");
        assert_eq!(database.value("SELECT count(*) FROM datamart.refreshes WHERE status = 'running'").await, "0");
        all(&database, &folder, How::AsDeclared).await;
        is_exact(&database, &folder).await;
    });
}

/// What a trigger on the last of them writes is no less new to the first.
#[test]
fn what_triggers_write_is_not_missed() {
    run(async {
        let (database, folder) = diamond().await;
        database
            .script(
                "CREATE FUNCTION public.more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   INSERT INTO public.orders VALUES (500, 'north', 5) ON CONFLICT DO NOTHING; RETURN NULL; END $$;
                 -- What is compared with its query is found to be another.
                 UPDATE datamart.positions SET verified = 3;
                 CREATE TRIGGER more AFTER UPDATE ON public.d FOR EACH ROW EXECUTE FUNCTION public.more();
                 INSERT INTO orders VALUES (20, 'north', 5)",
            )
            .await;
        let runs = all(&database, &folder, How::AsDeclared).await;
        assert_eq!(went(&runs), [CHANGES; 4], "{runs:#?}");
        assert_eq!(database.value("SELECT count(*) FROM a WHERE id = 500").await, "0");
        let runs = all(&database, &folder, How::AsDeclared).await;
        assert_eq!(went(&runs), [CHANGES; 4], "{runs:#?}");
        is_exact(&database, &folder).await;
        assert_eq!(went(&all(&database, &folder, How::AsDeclared).await), [NOTHING; 4]);
    });
}

/// The row of what goes along is opened in the transaction of the rows, which is there after a crash once it is committed.
#[test]
fn what_is_committed_together_lasts() {
    run(async {
        let (database, folder) = diamond().await;
        database
            .script(&format!(
                "ALTER DATABASE {} SET synchronous_commit = on;
                 CREATE TABLE public.lasts AS SELECT ''::text AS how LIMIT 0;
                 CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                   INSERT INTO public.lasts VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
                 CREATE TRIGGER note AFTER INSERT OR UPDATE ON public.d FOR EACH ROW EXECUTE FUNCTION public.note();
                 INSERT INTO orders VALUES (20, 'north', 5)",
                database.name
            ))
            .await;
        let desired = project::load(folder.path());
        let mut items = project::items(&mut database.session().await, &desired).await;
        items.iter_mut().skip(1).for_each(|item| item.asked = Asked { along: true, ..Asked::default() });
        let items: Vec<&refresh::Item> = items.iter().collect();
        let options = refresh_options();
        let workers = refresh::Workers::new(&database.endpoint, &options.registry, &options.project);
        let runs = workers.run_together(&items, &options, (&|| false, &|_| {})).await.expect("runs");
        assert!(runs.iter().all(|run| matches!(run, refresh::Along::Ran(_))), "{runs:#?}");
        workers.close().await;
        assert_eq!(database.value("SELECT string_agg(DISTINCT how, ' ') FROM public.lasts").await, "on");
    });
}

/// While others write, whoever reads all marts at once finds them as their queries were at one moment.
#[test]
fn whoever_reads_all_marts_reads_one_moment() {
    run(async {
        let (database, folder) = diamond().await;
        // As long as it takes until there was enough of everything.
        let end = Instant::now() + PATIENCE;
        let (times, together) = (Cell::new(0), Cell::new(0));
        let (reads, torn) = (Cell::new(0), Cell::new(0));
        let goes_on = || Instant::now() < end && (times.get() < 10 || together.get() < 3 || reads.get() < 30);
        let write = async |number: i32| {
            let mut conn = database.session().await;
            let mut at = 0;
            while goes_on() {
                at += 1;
                let id = number * 100_000 + at;
                let region = format!("r{}", at % 5);
                let sql = format!(
                    "BEGIN; INSERT INTO public.orders VALUES ({id}, '{region}', {at});
                     UPDATE public.orders SET region = 'moved' WHERE id = {}; DELETE FROM public.orders WHERE id = {}; {}",
                    id - 2,
                    id - 7,
                    if at % 4 == 0 { "ROLLBACK" } else { "COMMIT" }
                );
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("a write");
            }
        };
        let refreshes = async {
            while goes_on() {
                let runs = all(&database, &folder, How::AsDeclared).await;
                assert!(runs.iter().all(|run| matches!(run.status, RunStatus::Success | RunStatus::Noop)), "{runs:#?}");
                times.set(times.get() + 1);
                together.set(together.get() + usize::from(snapshots(&runs).len() == 1));
            }
        };
        let looks = async {
            let mut conn = database.session().await;
            while goes_on() {
                torn.set(torn.get() + usize::from(apart(&mut conn).await != 0));
                reads.set(reads.get() + 1);
            }
        };
        tokio::join!(refreshes, looks, write(1), write(2), write(3));
        let [times, together, reads, torn] = [times, together, reads, torn].map(Cell::into_inner);
        assert!(times > 3 && together > 0 && reads > 3, "{times} {together} {reads}");
        // What has to be computed whole is computed by itself.
        assert!(torn == 0 || together < times, "{torn} of {reads} reads, {together} of {times} refreshes");
        all(&database, &folder, How::AsDeclared).await;
        is_exact(&database, &folder).await;
    });
}

/// How many rows of the marts that read `a` are not what they are by the `a` that is there in the same snapshot.
async fn apart(conn: &mut PgConnection) -> i64 {
    let differs = |mart: &str, query: &str| {
        format!(
            "(SELECT count(*) FROM ((TABLE public.{mart} EXCEPT ALL {query}) UNION ALL ({query} EXCEPT ALL TABLE public.{mart})) AS x)"
        )
    };
    let orders = "(SELECT region, count(*) AS orders FROM public.a GROUP BY region)";
    let d = format!(
        "SELECT b.region, b.total, c.n, o.orders FROM public.b JOIN public.c USING (region) JOIN {orders} AS o USING (region)"
    );
    let [b, c] = [B, C].map(|query| query.replace("FROM a", "FROM public.a"));
    let sql = format!("SELECT {} + {} + {} AS n", differs("b", &b), differs("c", &c), differs("d", &d));
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(conn).await.expect("the marts");
    row.get("n")
}
