//! Marts that are computed whole, beside one that has its sources logged.

use datamart::plan;
use datamart::refresh::{self, Asked, How, Run, RunStatus};

use super::shop::{BY_REGION, ORDERS};
use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh_options};

struct Beside {
    database: Database,
    folder: Folder,
}

impl Beside {
    async fn new(seed: &str, manifest: &str) -> Self {
        let database = Database::new().await;
        database.script(&format!("{ORDERS} {seed}")).await;
        let follows =
            format!("type = \"table\"\nquery = \"\"\"{BY_REGION}\"\"\"\n[refresh]\nstrategy = \"incremental\"\n");
        let folder = Folder::of(&[("follows.toml", &follows), ("seen.toml", manifest)]);
        converge(&database, folder.path(), &plan::Options::default()).await;
        Self { database, folder }
    }

    async fn matview(seed: &str, query: &str) -> Self {
        Self::new(seed, &format!("type = \"materialized_view\"\nquery = \"{query}\"\n")).await
    }

    async fn refreshed(&self, how: How) -> Run {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        let mut items = project::items(&mut conn, &desired).await;
        items.retain(|item| item.mart.name == "seen");
        items.iter_mut().for_each(|item| item.asked = Asked { how, ..Asked::default() });
        let runs = refresh::refresh(&self.database.endpoint, &items, &refresh_options(), &|| false, &mut |_| {}).await;
        runs.unwrap_or_else(|error| panic!("{error}")).remove(0)
    }

    /// Panics unless there was nothing to do.
    async fn nothing(&self) -> Run {
        let run = self.refreshed(How::AsDeclared).await;
        assert_eq!((run.status, run.reason.as_str()), (RunStatus::Noop, "nothing changed"), "{run:#?}");
        run
    }

    /// Panics unless all rows were computed, and are those of the query.
    async fn whole(&self) -> Run {
        let run = self.refreshed(How::AsDeclared).await;
        assert_eq!(run.status, RunStatus::Success, "{run:#?}");
        self.is_exact().await;
        run
    }

    async fn is_exact(&self) {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        for mart in desired.marts.iter().filter(|mart| mart.mart.name.name == "seen") {
            project::is_its_query(&mut conn, &mart.mart).await;
        }
    }

    async fn script(&self, sql: &str) {
        self.database.script(sql).await;
    }
}

#[test]
fn a_materialized_view_whose_sources_did_not_change_is_left_alone() {
    run(async {
        let view = "CREATE VIEW large AS SELECT * FROM orders WHERE amount > 3;";
        let beside = Beside::matview(view, "SELECT region, count(*) AS n FROM large GROUP BY region").await;
        // Nobody noted what the rows of the apply have seen.
        beside.whole().await;
        beside.nothing().await;
        let mut old = beside.database.session().await;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TEMP TABLE t (id int)")
            .execute(&mut old)
            .await
            .expect("an old snapshot");
        let nothing = beside.nothing().await;
        assert_eq!((nothing.row_count, nothing.rows_inserted), (Some(4), Some(0)));
        assert!(nothing.size_bytes.is_some_and(|bytes| bytes > 0), "{nothing:#?}");
        beside.script("INSERT INTO orders VALUES (9, 'north', 5)").await;
        beside.whole().await;
        beside.nothing().await;
        let told = "SELECT (decision ->> 'rung') || ' ' || (snapshot IS NOT NULL) FROM datamart.refreshes ORDER BY run DESC LIMIT 1";
        assert_eq!(beside.database.value(told).await, "none true");
        // Who asks for all rows gets them.
        assert_eq!(beside.refreshed(How::Full).await.status, RunStatus::Success);
        beside.nothing().await;
        drop(old);
    });
}

#[test]
fn a_table_that_is_computed_whole_is_left_alone() {
    run(async {
        let manifest = format!(
            "type = \"table\"\nquery = \"\"\"{BY_REGION}\"\"\"\n[[indexes]]\nname = \"seen_key\"\ncolumns = [\"region\"]\nunique = true\n"
        );
        let beside = Beside::new("", &manifest).await;
        beside.whole().await;
        beside.nothing().await;
        beside.script("UPDATE orders SET amount = 50 WHERE id = 3").await;
        beside.whole().await;
        beside.nothing().await;
        // Rows that are gone come back.
        beside.script("TRUNCATE seen").await;
        beside.whole().await;
        beside.nothing().await;
    });
}

#[test]
fn what_moves_by_itself_is_computed() {
    run(async {
        for query in [
            "SELECT count(*) AS n, max(now()) AS at FROM orders",
            "SELECT id, random() AS dice FROM orders",
            "SELECT id, luck(id) AS luck FROM orders",
            "SELECT id FROM lucky",
            "SELECT o.id FROM orders o JOIN prices p USING (id)",
        ] {
            let seed = "CREATE TABLE prices (id int); INSERT INTO prices VALUES (1);
                CREATE FUNCTION luck(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT max(id) FROM public.prices';
                CREATE OPERATOR ### (FUNCTION = luck, RIGHTARG = int);
                CREATE VIEW lucky AS SELECT ### id AS id FROM orders;";
            let beside = Beside::matview(seed, query).await;
            for _ in 0..3 {
                assert_eq!(beside.refreshed(How::AsDeclared).await.status, RunStatus::Success, "{query}");
            }
        }
    });
}

/// A cast calls a function that no text shows.
#[test]
fn casts_that_somebody_made_are_looked_at() {
    run(async {
        let cast = |volatility: &str, body: &str| {
            format!("CREATE OR REPLACE FUNCTION size(int) RETURNS size LANGUAGE sql {volatility} AS '{body}'")
        };
        let seed = format!(
            "CREATE TYPE size AS ENUM ('small', 'large'); CREATE TABLE sizes (s size); INSERT INTO sizes VALUES ('small');
             {}; CREATE CAST (int AS size) WITH FUNCTION size(int)",
            cast("IMMUTABLE", "SELECT ''small''::public.size")
        );
        let query = "SELECT id, id::size AS size FROM orders";
        let beside = Beside::matview(&seed, query).await;
        beside.whole().await;
        beside.nothing().await;
        beside.script(&cast("IMMUTABLE", "SELECT ''large''::public.size")).await;
        beside.whole().await;
        beside.nothing().await;
        beside.script(&cast("STABLE", "SELECT max(s) FROM public.sizes")).await;
        beside.whole().await;
        beside.script("INSERT INTO sizes VALUES ('large')").await;
        beside.whole().await;
    });
}

#[test]
fn what_moved_is_computed() {
    run(async {
        let seed = "CREATE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
                    CREATE VIEW taxed AS SELECT id, region, tax(amount) AS amount FROM orders;";
        let beside = Beside::matview(seed, "SELECT region, sum(amount) AS total FROM taxed GROUP BY region").await;
        beside.whole().await;
        for event in [
            "CREATE OR REPLACE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 3'",
            "CREATE OR REPLACE VIEW taxed AS SELECT id, region, tax(amount) AS amount FROM orders WHERE id > 2",
            "TRUNCATE orders; INSERT INTO orders VALUES (5, 'west', 5)",
            "CLUSTER orders USING orders_pkey",
            "DELETE FROM datamart.sentinels",
            "DO $$ BEGIN EXECUTE format('ALTER TABLE orders DISABLE TRIGGER %I', (SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass LIMIT 1)); END $$",
            "DO $$ BEGIN EXECUTE format('ALTER TABLE orders ENABLE ALWAYS TRIGGER %I', (SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND tgenabled = 'D')); END $$",
            "REFRESH MATERIALIZED VIEW seen WITH NO DATA",
        ] {
            beside.script(event).await;
            let run = beside.whole().await;
            assert_eq!(run.status, RunStatus::Success, "{event}");
            if !event.contains("DISABLE") {
                beside.nothing().await;
            }
        }
    });
}

/// A log is kept for those that follow it; who only asks it whether anything changed is computed once it is gone.
#[test]
fn a_log_is_not_kept_for_it() {
    run(async {
        let beside = Beside::matview("", "SELECT count(*) AS n FROM orders").await;
        beside.whole().await;
        beside.nothing().await;
        beside.script("INSERT INTO orders VALUES (9, 'north', 5)").await;
        let desired = project::load(beside.folder.path());
        let mut conn = beside.database.session().await;
        let mut items = project::items(&mut conn, &desired).await;
        items.retain(|item| item.mart.name == "follows");
        let runs =
            refresh::refresh(&beside.database.endpoint, &items, &refresh_options(), &|| false, &mut |_| {}).await;
        assert!(runs.is_ok_and(|runs| runs.iter().all(|run| run.status == RunStatus::Success)));
        sqlx::raw_sql("UPDATE datamart.captures SET segment = 1").execute(&mut conn).await.expect("another segment");
        let tidied = refresh::tidy_logs(&mut conn, "datamart", "default", None).await.expect("tidied");
        assert_eq!((tidied.emptied, tidied.given_up.len()), (1, 0));
        let left = "SELECT count(*) FROM datamart.changes_default_public_orders_0";
        assert_eq!(beside.database.value(left).await, "0");
        beside.whole().await;
        beside.nothing().await;
    });
}
