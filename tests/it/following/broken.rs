//! Marts in one transaction that does not come to its end.

use std::time::Duration;

use datamart::build::SizeLimit;
use datamart::refresh::{How, Options, Run, RunStatus};

use super::together::{CHANGES, NOTHING, all, all_with, diamond, is_exact, snapshots, went};
use crate::support::database::{Database, run};
use crate::support::project::refresh_options;
use crate::support::wait::until;

/// Rows and positions of all four.
const STAND: &str = "SELECT (SELECT string_agg(name || snapshot::text, ' ' ORDER BY name) FROM datamart.positions) ||
    (SELECT string_agg(d::text, ' ' ORDER BY region) FROM d) || (SELECT count(*) FROM a)";

fn are_over(runs: &[Run], status: RunStatus, kind: &str) {
    for run in runs.iter().take(3) {
        let error = run.error.as_ref().map(|error| error.kind.as_str());
        assert_eq!((run.status, error), (status, Some(kind)), "{runs:#?}");
    }
}

async fn nothing_runs(database: &Database) {
    assert_eq!(database.value("SELECT count(*) FROM datamart.refreshes WHERE status = 'running'").await, "0");
}

/// What was written of the first ones goes with the session that wrote it.
#[test]
fn what_is_killed_in_the_middle_leaves_all_as_it_was() {
    run(async {
        let (database, folder) = diamond().await;
        database.script("INSERT INTO orders VALUES (20, 'north', 5)").await;
        let before = database.value(STAND).await;
        let mut other = database.session().await;
        sqlx::raw_sql("BEGIN; UPDATE public.d SET n = n + 1 WHERE region = 'north'")
            .execute(&mut other)
            .await
            .expect("an update");
        let blocked = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'datamart%' AND datname = current_database()";
        let kill = async {
            until("the last of them waits", async || database.value(blocked).await != "NULL").await;
            database.value(&format!("SELECT pg_terminate_backend(pid) FROM ({blocked}) AS b")).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("an end");
            database.value(STAND).await
        };
        let (runs, after) = tokio::join!(all(&database, &folder, How::AsDeclared), kill);
        are_over(&runs, RunStatus::Failed, "connection");
        assert_eq!(after, before);
        nothing_runs(&database).await;
        all(&database, &folder, How::AsDeclared).await;
        is_exact(&database, &folder).await;
        assert_eq!(went(&all(&database, &folder, How::AsDeclared).await), [NOTHING; 4]);
    });
}

/// All of them together grow the database.
#[test]
fn what_grows_too_much_is_stopped_together() {
    run(async {
        let (database, folder) = diamond().await;
        database
            .script(
                "CREATE TABLE filler (text text);
                 CREATE FUNCTION public.fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   FOR i IN 1..100000 LOOP
                     INSERT INTO public.filler SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 2250);
                     PERFORM pg_catalog.pg_sleep(0.005);
                   END LOOP; RETURN NULL; END $$;
                 CREATE TRIGGER fill AFTER UPDATE ON public.d FOR EACH ROW EXECUTE FUNCTION public.fill();
                 INSERT INTO orders VALUES (20, 'north', 5)",
            )
            .await;
        let before = database.value(STAND).await;
        let limit = SizeLimit { bytes: 2 << 20, origin: "[limits] max_size".into() };
        let options = Options { max_size: Some(limit), ..refresh_options() };
        let runs = all_with(&database, &folder, How::AsDeclared, &options).await;
        are_over(&runs, RunStatus::Failed, "resource");
        let said = runs[0].error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
        assert!(said.contains("[limits] max_size allows 2 MB"), "{said}");
        assert_eq!(database.value(STAND).await, before);
        nothing_runs(&database).await;
        database.script("DROP TRIGGER fill ON d").await;
        assert_eq!(went(&all_with(&database, &folder, How::AsDeclared, &options).await), [CHANGES; 4]);
        is_exact(&database, &folder).await;
    });
}

/// Who holds a snapshot for long holds up everybody's vacuum.
#[test]
fn what_takes_too_long_is_refreshed_in_another_snapshot() {
    run(async {
        let (database, folder) = diamond().await;
        database.script("INSERT INTO orders VALUES (20, 'north', 5)").await;
        let options = Options { max_snapshot: Some(Duration::ZERO), ..refresh_options() };
        let runs = all_with(&database, &folder, How::AsDeclared, &options).await;
        assert_eq!(went(&runs), [CHANGES; 4], "{runs:#?}");
        assert_eq!(snapshots(&runs).len(), 4, "{runs:#?}");
        is_exact(&database, &folder).await;
    });
}
