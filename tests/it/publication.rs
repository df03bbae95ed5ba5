//! Publications beside readers: nobody waits long, whoever else reads for long.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use datamart::plan::Options;
use datamart::refresh::Method;
use sqlx::{AssertSqlSafe, PgConnection};
use tempfile::TempDir;

use crate::support::database::{Database, run};
use crate::support::project;

/// Much more than one wait for a lock (100 ms), much less than all tries of a publication together.
const LONG: Duration = Duration::from_millis(1_000);
/// So often it is tried.
const TRIES: usize = 4;
/// So long a reader holds what it reads.
const HELD: Duration = Duration::from_secs(3);

fn folder(of: i32) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).expect("a manifest");
    write("project.toml", "[policy]\nallow_hazards = [\"REBUILDS_DATA\"]\n".to_owned());
    write("a.toml", format!("type = \"table\"\npublish = \"swap\"\nquery = \"SELECT x, {of} AS of FROM src\"\n"));
    write("b.toml", format!("type = \"table\"\nquery = \"SELECT x, {of} AS of FROM src\"\n"));
    write("v.toml", "type = \"view\"\nquery = \"SELECT x, of FROM a\"\n".to_owned());
    dir
}

async fn shop() -> (Database, TempDir) {
    let database = Database::new().await;
    database.script("CREATE TABLE src AS SELECT generate_series(1, 100) AS x").await;
    let dir = folder(1);
    project::converge(&database, dir.path(), &Options::default()).await;
    (database, dir)
}

async fn read(conn: &mut PgConnection, relation: &str) {
    let sql = AssertSqlSafe(format!("SELECT count(x) FROM public.{relation}"));
    sqlx::query(sql).fetch_one(conn).await.unwrap_or_else(|error| panic!("{relation}: {error}"));
}

/// Reads `read` again and again while somebody holds `held` and `work` wants both; gives the longest wait, and how often it
/// was read.
async fn waits<T>(database: &Database, held: &str, reads: &str, work: impl Future<Output = T>) -> (Duration, u32, T) {
    let mut holder = database.session().await;
    sqlx::raw_sql("BEGIN").execute(&mut holder).await.expect("a transaction");
    read(&mut holder, held).await;
    let mut reader = database.session().await;
    let beside = async {
        let began = Instant::now();
        let (mut longest, mut times) = (Duration::ZERO, 0);
        while began.elapsed() < HELD {
            let asked = Instant::now();
            read(&mut reader, reads).await;
            longest = longest.max(asked.elapsed());
            times += 1;
        }
        sqlx::raw_sql("COMMIT").execute(&mut holder).await.expect("the end of a long read");
        (longest, times)
    };
    let ((longest, times), done) = futures_util::future::join(beside, work).await;
    (longest, times, done)
}

#[test]
fn a_long_reader_of_one_relation_keeps_no_reader_of_another_waiting() {
    run(async {
        let (database, _dir) = shop().await;
        let (mut done, mut told) = (BTreeSet::new(), Vec::new());
        // Whichever goes first, the other one is asked for while it is locked. A machine that stands still for a moment does so to
        // readers, too, and not each time.
        let mut of = 1;
        for (held, reads) in [("a", "b"), ("b", "a"), ("a", "v")].into_iter().flat_map(|two| [two; TRIES]) {
            if done.contains(&(held, reads)) {
                continue;
            }
            of += 1;
            let dir = folder(of);
            let options = Options::default();
            let apply = project::converge(&database, dir.path(), &options);
            let (longest, times, plan) = waits(&database, held, reads, apply).await;
            assert!(
                plan.steps
                    .iter()
                    .any(|step| step.publication && step.sql.contains(&format!("DROP TABLE public.{held}")))
            );
            // A reader of the view reads the table that is held, too, and queues behind each try for it.
            if longest < LONG && times > 10 {
                done.insert((held, reads));
            }
            told.push(format!("{reads} was read {times} times and waited for {longest:?}, while {held} was read"));
            assert_eq!(
                database.value("SELECT string_agg(DISTINCT of::text, ' ') FROM (TABLE a UNION TABLE b) AS t").await,
                of.to_string()
            );
        }
        assert_eq!(done.len(), 3, "{told:#?}");
    });
}

#[test]
fn a_swap_that_waits_for_a_table_keeps_no_reader_of_its_view_waiting() {
    run(async {
        let (database, dir) = shop().await;
        let mut told = Vec::new();
        for time in 1..=TRIES {
            database.script("UPDATE src SET x = x + 1000").await;
            let options = project::refresh_options();
            let refresh = project::refresh(&database, dir.path(), &options);
            let (longest, times, runs) = waits(&database, "a", "v", refresh).await;
            let swapped = runs.iter().find(|run| run.mart == "public.a").expect("a run of it");
            assert_eq!(swapped.method, Some(Method::Swap), "{swapped:?}");
            assert!(swapped.error.is_none(), "{swapped:?}");
            assert_eq!(database.value("SELECT min(x) FROM v").await, (1 + 1000 * time).to_string());
            if longest < LONG && times > 10 {
                return;
            }
            told.push(format!("the view was read {times} times and waited for {longest:?}"));
        }
        panic!("{told:#?}");
    });
}

#[test]
fn what_is_published_is_visible_to_all() {
    run(async {
        let (database, _dir) = shop().await;
        // VACUUM takes for visible only what is safely on disk, which the tests' server does not wait for by itself.
        database.script(&format!("ALTER DATABASE {} SET synchronous_commit = on", database.name)).await;
        let all = "SELECT bool_and(relpages > 0 AND relallvisible = relpages AND reltuples = 100) FROM pg_class WHERE relname IN ('a', 'b')";
        // A session that is just connecting, to whatever database, may keep rows from being visible to all: then not every time.
        for of in 2..22 {
            project::converge(&database, folder(of).path(), &Options::default()).await;
            if database.value(all).await == "true" {
                return;
            }
        }
        panic!("what was published was never visible to all");
    });
}

#[test]
fn what_an_apply_did_not_reach_is_done_by_the_next() {
    run(async {
        let (database, _dir) = shop().await;
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a manifest");
        let sales = |of: i32| {
            format!("type = \"table\"\nquery = \"SELECT x, {of} AS of FROM src\"\nversions = {{ keep = 2 }}\n")
        };
        let m = "type = \"materialized_view\"\nquery = \"SELECT max(of) AS of FROM s\"\n";
        let check = "[[checks]]\nname = \"small\"\nsql = \"SELECT * FROM {this} WHERE of > 1\"\n";
        write("s.toml", &sales(1));
        write("m.toml", &format!("{m}{check}"));
        project::converge(&database, dir.path(), &Options { prune: true, ..Options::default() }).await;
        // Somebody else's view keeps its place, so that what is built from the mart is published after it.
        database.script("CREATE VIEW theirs AS SELECT x FROM s").await;
        write("s.toml", &sales(2));
        let mut conn = database.session().await;
        let desired = project::load(dir.path());
        let plan = project::plan(&mut conn, &desired, &Options::default()).await.expect("a plan");
        project::apply(&mut conn, &plan, &desired).await.expect_err("the check fails");
        let reads = "SELECT (SELECT max(of) FROM s) || ' ' || (SELECT of FROM m)";
        let is = database.value(reads).await;
        assert!(is == "1 1" || is == "2 1", "{is}");
        write("m.toml", m);
        let plan = project::converge(&database, dir.path(), &Options::default()).await;
        assert!(plan.changes.iter().any(|change| change.address == "public.m"), "{:#?}", plan.changes);
        assert_eq!(database.value(reads).await, "2 2");
        let desired = project::load(dir.path());
        let again = project::plan(&mut conn, &desired, &Options::default()).await.expect("a plan");
        assert!(again.is_empty() && again.records.is_empty(), "{:#?}", again.changes);
    });
}
