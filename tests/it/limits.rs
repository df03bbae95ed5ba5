//! What builds may take: memory, workers, time, and how much they may add to the database.

use std::time::{Duration, Instant};

use datamart::apply::{self, ApplyError, By};
use datamart::build::SizeLimit;
use datamart::database::ErrorKind;
use datamart::plan;
use datamart::refresh::RunStatus;

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};

/// As many rows as `size` says, some megabytes a second.
const GROWING: &str = "SELECT i, j, (SELECT string_agg(md5(k::text), '') FROM generate_series(1, 45) AS k) AS filler \
    FROM generate_series(1, (SELECT n FROM size)) AS i, LATERAL (SELECT pg_sleep(0.01)) AS pause, generate_series(1, 50) AS j";

const FILL: &str = "SELECT pg_relation_filenode('grows') || ' ' || count(*) FROM grows";

fn limit() -> SizeLimit {
    SizeLimit { bytes: 2 << 20, origin: "[limits] max_size".into() }
}

async fn growing(kind: &str) -> (Database, Folder) {
    let database = Database::new().await;
    database.script("CREATE TABLE size AS SELECT 2 AS n").await;
    let more = if kind == "table" { "" } else { "refresh = { concurrent = false }\n" };
    let folder = Folder::of(&[("grows.toml", &format!("type = \"{kind}\"\nquery = \"{GROWING}\"\n{more}"))]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    (database, folder)
}

#[test]
fn a_refresh_that_grows_too_much_is_stopped() {
    run(async {
        for kind in ["table", "materialized_view"] {
            let (database, folder) = growing(kind).await;
            let before = database.value(FILL).await;
            let options = datamart::refresh::Options { max_size: Some(limit()), ..refresh_options() };
            let runs = refresh(&database, folder.path(), &options).await;
            assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
            let small = database.value(FILL).await;
            // Few rows of a table are merged.
            assert_eq!(small == before, kind == "table");
            database.script("UPDATE size SET n = 100000").await;
            let begun = Instant::now();
            let runs = refresh(&database, folder.path(), &options).await;
            assert!(begun.elapsed() < Duration::from_secs(60), "it was not stopped");
            let error = runs[0].error.as_ref().expect("an error");
            assert_eq!((runs[0].status, error.kind.as_str()), (RunStatus::Failed, "resource"));
            let said = &error.message;
            assert!(
                said.starts_with("stopped, because the database grew by ")
                    && said.contains("[limits] max_size allows 2 MB"),
                "{said}"
            );
            assert!(said.contains("the measure is coarse"), "{said}");
            assert_eq!(database.value(FILL).await, small);
            assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'").await, "0");
        }
    });
}

#[test]
fn an_apply_that_grows_too_much_is_stopped() {
    run(async {
        let (database, folder) = growing("table").await;
        let before = database.value(FILL).await;
        database.script("UPDATE size SET n = 100000").await;
        folder.write(
            "grows.toml",
            &format!("type = \"table\"\nquery = \"SELECT * FROM ({GROWING}) AS g WHERE j > 0\"\n"),
        );
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let plan = project::plan(&mut conn, &desired, &plan::Options::default()).await.expect("a plan");
        let by =
            By { who: "test".into(), host: "here".into(), application: "tests".into(), holder: None, sessions: None };
        let mut watcher = database.session().await;
        let outcome =
            apply::apply_within(&mut conn, (&mut watcher, &limit()), &plan, "datamart", &by, &mut |_| {}).await;
        let Err(ApplyError::Step { mart, source, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!((mart.as_str(), source.kind), ("public.grows", ErrorKind::Resource));
        assert_eq!(database.value(FILL).await, before);
        // What stays within the limit is applied.
        database.script("UPDATE size SET n = 3").await;
        let plan = project::plan(&mut conn, &desired, &plan::Options::default()).await.expect("a plan");
        let applied =
            apply::apply_within(&mut conn, (&mut watcher, &limit()), &plan, "datamart", &by, &mut |_| {}).await;
        assert_eq!(applied.expect("an apply").marts, ["public.grows"]);
        assert_eq!(database.value("SELECT count(*) FROM grows").await, "150");
    });
}

/// A function that fails where the limits of the project or the mart's own settings do not hold.
const MUST: &str = "CREATE FUNCTION public.must(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
    DECLARE said text := current_setting('maintenance_work_mem') || ' ' || current_setting('max_parallel_maintenance_workers') || ' ' || current_setting('work_mem');
    BEGIN
        IF said <> '77MB 1 5MB' THEN RAISE 'the limits are %', said; END IF;
        RETURN i;
    END $$; CREATE TABLE numbers AS SELECT i AS id, public.must(i) AS at FROM generate_series(1, 0) AS i";

#[test]
fn every_build_keeps_to_the_limits() {
    run(async {
        let database = Database::new().await;
        database.script(MUST).await;
        database.script("INSERT INTO numbers SELECT i, i FROM generate_series(1, 5) AS i").await;
        let mart = |kind: &str, more: &str| {
            format!(
                "type = \"{kind}\"\nquery = \"SELECT id, public.must(at) AS at FROM numbers\"\nsession = {{ work_mem = \"5MB\" }}\n{more}\n\
                 [[checks]]\nsql = \"SELECT * FROM {{this}} WHERE public.must(id) < 0\"\n"
            )
        };
        let index = "[[indexes]]\ncolumns = [\"(public.must(id))\"]\n";
        let keyed = "[[indexes]]\ncolumns = [\"id\"]\nunique = true\n";
        let folder = Folder::of(&[
            ("project.toml", "[limits]\nmaintenance_work_mem = \"77MB\"\nmax_parallel_workers = 1\n"),
            ("merged.toml", &mart("table", "primary_key = [\"id\"]\npublish = \"merge\"")),
            ("swapped.toml", &mart("table", "publish = \"swap\"")),
            ("plain.toml", &mart("materialized_view", "refresh = { concurrent = false }")),
            ("side.toml", &mart("materialized_view", keyed)),
        ]);
        converge(&database, folder.path(), &plan::Options::default()).await;
        // Indexes that are built alone, on what is there.
        for (file, kind, more) in [
            ("merged.toml", "table", format!("primary_key = [\"id\"]\npublish = \"merge\"\n{index}")),
            ("swapped.toml", "table", format!("publish = \"swap\"\n{index}")),
            ("plain.toml", "materialized_view", format!("refresh = {{ concurrent = false }}\n{index}")),
            ("side.toml", "materialized_view", format!("{keyed}{index}")),
        ] {
            folder.write(file, &mart(kind, &more));
        }
        let plan = converge(&database, folder.path(), &plan::Options::default()).await;
        assert_eq!(plan.steps.iter().filter(|step| step.transaction.is_none()).count(), 4, "{:#?}", plan.steps);
        database.script("DELETE FROM numbers WHERE id = 1").await;
        let limits = project::load(folder.path()).project.limits;
        let options = datamart::refresh::Options { settings: limits.settings(), ..refresh_options() };
        let runs = refresh(&database, folder.path(), &options).await;
        assert!(runs.iter().all(|run| run.status == RunStatus::Success && run.row_count == Some(4)), "{runs:#?}");
    });
}

#[test]
fn the_timeout_of_a_refresh_is_not_that_of_an_apply() {
    run(async {
        let database = Database::new().await;
        database.script("CREATE TABLE pause AS SELECT 0.0::float8 AS seconds").await;
        let mart = "type = \"table\"\nquery = \"SELECT 1 AS one, pg_sleep(seconds)::text AS slept FROM pause\"\n[refresh]\ntimeout = \"1s\"\n";
        let folder = Folder::of(&[("slow.toml", mart)]);
        database.script("UPDATE pause SET seconds = 1.3").await;
        converge(&database, folder.path(), &plan::Options::default()).await;
        database.script("UPDATE pause SET seconds = 60").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        let kind = runs[0].error.as_ref().map(|error| error.kind.as_str());
        assert_eq!((runs[0].status, kind), (RunStatus::Failed, Some("timeout")), "{runs:#?}");
        // An apply has the project's, with which a refresh without one of its own is served, too.
        folder.write("project.toml", "[database]\nstatement_timeout = \"2s\"\n");
        folder.write(
            "slow.toml",
            "type = \"table\"\nquery = \"SELECT 2 AS one, pg_sleep(seconds)::text AS slept FROM pause\"\n",
        );
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let plan = project::plan(&mut conn, &desired, &plan::Options::default()).await.expect("a plan");
        let outcome = project::apply(&mut conn, &plan, &desired).await;
        let Err(ApplyError::Step { source, .. }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(source.kind, ErrorKind::Timeout);
        let options = datamart::refresh::Options { statement_timeout_ms: 2_000, ..refresh_options() };
        database.script("UPDATE datamart.marts SET declared = declared #- '{refresh,timeout}'").await;
        let runs = refresh(&database, folder.path(), &options).await;
        assert_eq!(runs[0].error.as_ref().map(|error| error.kind.as_str()), Some("timeout"), "{runs:#?}");
    });
}
