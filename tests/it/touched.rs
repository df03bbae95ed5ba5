//! Writes to sources of triggered marts: which are noticed, by whom, and that no write fails because of it.

use std::collections::{BTreeMap, BTreeSet};

use datamart::plan::{Options, PlanError, watched};
use datamart::refresh::{Noticed, Tidied, marts_behind, noticed, renew_logs, tidy_logs};
use datamart::state::QName;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};

const SOURCES: &str = "CREATE TABLE orders (id int, region text);
    CREATE TABLE events (day date, what text) PARTITION BY RANGE (day);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');";

const ORDERS: &str = r#"
type = "table"
query = "SELECT region, count(*) AS orders FROM orders GROUP BY region"
[refresh]
strategy = "triggered"
"#;

const EVENTS: &str = r#"
type = "table"
query = "SELECT day, count(*) AS events FROM events GROUP BY day"
[refresh]
strategy = "triggered"
"#;

const ORDERS_LOG: &str = "datamart.changes_default_public_orders";
const EVENTS_LOG: &str = "datamart.changes_default_public_events";

struct Shop {
    database: Database,
    folder: Folder,
    /// The marts that each log means.
    watched: BTreeMap<String, BTreeSet<QName>>,
    looker: PgConnection,
    since: Option<String>,
}

impl Shop {
    async fn open() -> Self {
        let database = Database::new().await;
        database.script(SOURCES).await;
        let folder = Folder::of(&[("by_region.toml", ORDERS), ("by_day.toml", EVENTS)]);
        converge(&database, folder.path(), &Options::default()).await;
        let mut looker = database.session().await;
        let actual = project::actual(&mut looker, &project::load(folder.path())).await;
        let mut shop = Self { database, folder, watched: watched(&actual), looker, since: None };
        shop.look().await;
        shop
    }

    async fn noticed(&mut self) -> Noticed {
        let logs = self.watched.keys().cloned().collect();
        let found =
            noticed(&mut self.looker, "datamart", "default", &logs, self.since.as_deref()).await.expect("a look");
        self.since = Some(found.snapshot.clone());
        found
    }

    /// The marts whose sources were written to since the last look.
    async fn look(&mut self) -> Vec<String> {
        let found = self.noticed().await;
        let marts = found.changed.iter().filter_map(|log| self.watched.get(log)).flatten();
        marts.map(|mart| mart.name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    async fn tidy(&mut self) -> Tidied {
        tidy_logs(&mut self.looker, "datamart", "default", None).await.expect("an answer")
    }

    /// … since each mart's last good refresh.
    async fn behind(&mut self) -> Vec<String> {
        let found = marts_behind(&mut self.looker, "datamart", "default", &self.watched).await.expect("a look");
        found.into_iter().map(|mart| mart.name).collect()
    }
}

async fn execute(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(conn)
        .await
        .unwrap_or_else(|error| panic!("{error}\nin {sql}"));
}

#[test]
fn every_kind_of_write_is_noticed_once() {
    run(async {
        let mut shop = Shop::open().await;
        assert_eq!(shop.look().await, Vec::<String>::new());
        for (write, mart) in [
            ("INSERT INTO orders VALUES (1, 'north')", "by_region"),
            ("UPDATE orders SET region = 'south'", "by_region"),
            ("DELETE FROM orders", "by_region"),
            ("TRUNCATE orders", "by_region"),
            (
                "MERGE INTO orders USING (SELECT 2 AS id) AS n ON false WHEN NOT MATCHED THEN INSERT VALUES (2, 'x')",
                "by_region",
            ),
            ("INSERT INTO events VALUES ('2026-01-05', 'a')", "by_day"),
            ("INSERT INTO events_1 VALUES ('2026-01-05', 'a')", "by_day"),
            ("SET session_replication_role = replica; INSERT INTO orders VALUES (3, 'replicated')", "by_region"),
        ] {
            if write.starts_with("MERGE") && crate::support::database::major() < 15 {
                continue;
            }
            shop.database.script(write).await;
            assert_eq!(shop.look().await, [mart], "{write}");
            assert_eq!(shop.look().await, Vec::<String>::new(), "{write}");
        }
    });
}

#[test]
fn who_commits_late_is_not_missed_and_who_rolls_back_is_not_told() {
    run(async {
        let mut shop = Shop::open().await;
        let (mut late, mut never) = (shop.database.session().await, shop.database.session().await);
        execute(&mut late, "BEGIN; INSERT INTO public.orders VALUES (1, 'late')").await;
        execute(&mut never, "BEGIN; INSERT INTO public.orders VALUES (2, 'never')").await;
        shop.database.script("INSERT INTO orders VALUES (3, 'at once')").await;
        assert_eq!(shop.look().await, ["by_region"]);
        assert_eq!(shop.look().await, Vec::<String>::new());
        execute(&mut late, "COMMIT").await;
        assert_eq!(shop.look().await, ["by_region"]);
        execute(&mut never, "ROLLBACK").await;
        assert_eq!(shop.look().await, Vec::<String>::new());
    });
}

#[test]
fn a_write_never_fails_because_of_it() {
    run(async {
        let shop = Shop::open().await;
        let role = format!("{}_clerk", shop.database.name);
        shop.database.script(&format!("CREATE ROLE {role}; GRANT INSERT ON orders TO {role}")).await;
        let clerk = format!("SET ROLE {role}; INSERT INTO orders VALUES (1, 'clerk')");
        shop.database.script(&clerk).await;
        assert_eq!(shop.database.value(&format!("SELECT count(*) FROM {ORDERS_LOG}_0")).await, "1");
        // Nothing may be written there; it is gone; everything is gone.
        for damage in [
            "REVOKE ALL ON {log}_0 FROM CURRENT_USER; ALTER FUNCTION {log}() OWNER TO {role}; GRANT USAGE ON SCHEMA datamart TO {role}",
            "DROP TABLE {log}_0",
            "DROP SCHEMA datamart CASCADE",
        ] {
            shop.database.script(&damage.replace("{role}", &role).replace("{log}", ORDERS_LOG)).await;
            shop.database.script(&clerk).await;
        }
        assert_eq!(shop.database.value("SELECT count(*) FROM orders").await, "4");
    });
}

#[test]
fn what_was_written_since_a_marts_last_refresh_is_known_to_a_new_daemon() {
    run(async {
        let mut shop = Shop::open().await;
        shop.database
            .script("INSERT INTO orders VALUES (1, 'north'); INSERT INTO events VALUES ('2026-01-05', 'a')")
            .await;
        assert_eq!(shop.behind().await, ["by_day", "by_region"]);
        let runs = refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
        assert_eq!(runs.len(), 2);
        assert_eq!(shop.behind().await, Vec::<String>::new());
        shop.database.script("DELETE FROM orders").await;
        assert_eq!(shop.behind().await, ["by_region"]);
    });
}

#[test]
fn a_source_that_was_made_anew_is_followed_again() {
    run(async {
        let mut shop = Shop::open().await;
        refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
        // As a load that replaces its table does it, and a partition that comes with its rows.
        shop.database
            .script(
                "DROP TABLE orders; CREATE TABLE orders AS SELECT 1 AS id, 'north'::text AS region;
                 CREATE TABLE events_2 AS SELECT date '2026-02-03' AS day, 'b'::text AS what;
                 ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
            )
            .await;
        let desired = project::load(shop.folder.path());
        let gone = datamart::plan::gone(&desired, &project::actual(&mut shop.looker, &desired).await);
        let gone: Vec<&str> = gone.iter().map(|item| item.message.as_str()).collect();
        let missing =
            ["events_2", "orders"].map(|t| format!("the triggers that log changes of public.{t} are missing"));
        assert_eq!(gone, missing);
        converge(&shop.database, shop.folder.path(), &Options::default()).await;
        shop.watched = watched(&project::actual(&mut shop.looker, &desired).await);
        // What was written before somebody noticed is known, too.
        assert_eq!(shop.look().await, ["by_day", "by_region"]);
        assert_eq!(shop.behind().await, ["by_day", "by_region"]);
        shop.database.script("INSERT INTO orders VALUES (2, 'south')").await;
        assert_eq!(shop.look().await, ["by_region"]);
    });
}

#[test]
fn a_crash_is_seen() {
    run(async {
        let mut shop = Shop::open().await;
        refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
        assert!(shop.noticed().await.emptied.is_empty());
        // As a crash leaves tables that are not logged.
        shop.database.script(&format!("TRUNCATE datamart.sentinels, {ORDERS_LOG}_0, {EVENTS_LOG}_0")).await;
        let before = shop.noticed().await;
        assert_eq!(before.emptied.len(), 2);
        assert_eq!(renew_logs(&mut shop.looker, "datamart", "default").await.expect("an answer"), 2);
        let after = shop.noticed().await;
        assert!(after.emptied.is_empty(), "once");
        assert!(before.generations.iter().all(|(log, was)| after.generations[log] != *was), "{after:?}");
        // Who was not there then is told, too.
        assert_eq!(shop.behind().await, ["by_day", "by_region"]);
        refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
        assert_eq!(shop.behind().await, Vec::<String>::new());
    });
}

#[test]
fn tidying_keeps_what_was_not_refreshed_and_waits_for_nobody() {
    run(async {
        let mut shop = Shop::open().await;
        let many = "DO $$ BEGIN FOR i IN 1..10001 LOOP INSERT INTO orders VALUES (i, 'x'); END LOOP; END $$;
                    UPDATE datamart.captures SET rotated_at = rotated_at - interval '1 minute'";
        shop.database.script(many).await;
        let tidied = shop.tidy().await;
        assert_eq!((tidied.rotated, tidied.emptied), (1, 0), "nobody has seen it");
        let mut writer = shop.database.session().await;
        execute(&mut writer, "BEGIN; INSERT INTO public.orders VALUES (1, 'now')").await;
        let rows =
            format!("SELECT (SELECT count(*) FROM {ORDERS_LOG}_0) || ' ' || (SELECT count(*) FROM {ORDERS_LOG}_1)");
        assert_eq!(shop.database.value(&rows).await, "10001 0");
        assert_eq!(shop.behind().await, ["by_region"]);
        refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
        execute(&mut writer, "COMMIT").await;
        shop.tidy().await;
        assert_eq!(shop.database.value(&rows).await, "0 1");
        // It came after the refresh.
        assert_eq!(shop.behind().await, ["by_region"]);
        refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
        assert_eq!(shop.behind().await, Vec::<String>::new());
        // A segment that somebody writes to is not waited for.
        execute(&mut writer, &format!("BEGIN; LOCK TABLE {ORDERS_LOG}_0 IN ROW EXCLUSIVE MODE")).await;
        shop.database.script(&format!("INSERT INTO {ORDERS_LOG}_0 VALUES ('3')")).await;
        assert_eq!(shop.tidy().await.emptied, 0);
        execute(&mut writer, "COMMIT").await;
        assert_eq!(shop.tidy().await.emptied, 1);
        let desired = project::load(shop.folder.path());
        let plan = project::plan(&mut shop.looker, &desired, &Options::default()).await.expect("a plan");
        assert_eq!((plan.changes.len(), plan.drift.len()), (0, 0), "a log that goes on is as it was made");
    });
}

#[test]
fn what_had_to_go_unseen_is_not_forgotten() {
    run(async {
        let mut shop = Shop::open().await;
        let many = "DO $$ BEGIN FOR i IN 1..10001 LOOP INSERT INTO orders VALUES (i, 'x'); END LOOP; END $$;
                    UPDATE datamart.captures SET rotated_at = rotated_at - interval '1 minute'";
        shop.database.script(many).await;
        assert_eq!(shop.tidy().await.rotated, 1);
        let tidied = tidy_logs(&mut shop.looker, "datamart", "default", Some(4_096)).await.expect("an answer");
        assert_eq!(tidied.emptied, 1);
        assert_eq!(shop.database.value(&format!("SELECT count(*) FROM {ORDERS_LOG}_0")).await, "1");
        assert_eq!(shop.behind().await, ["by_region"]);
        refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
        assert_eq!(shop.behind().await, Vec::<String>::new());
    });
}

#[test]
fn a_source_of_somebody_else_is_refused_with_what_to_do() {
    run(async {
        let database = Database::new().await;
        let (etl, builder) = (format!("{}_etl", database.name), format!("{}_builder", database.name));
        database.script(SOURCES).await;
        database
            .script(&format!(
                "CREATE ROLE {etl}; CREATE ROLE {builder} LOGIN; ALTER TABLE orders OWNER TO {etl}; GRANT SELECT ON orders TO {builder};
                 GRANT CREATE ON DATABASE {} TO {builder}; GRANT CREATE, USAGE ON SCHEMA public TO {builder}",
                database.name
            ))
            .await;
        let folder = Folder::of(&[("by_region.toml", ORDERS)]);
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        execute(&mut conn, &format!("SET SESSION AUTHORIZATION {builder}")).await;
        let Err(PlanError::Problems { problems, .. }) = project::plan(&mut conn, &desired, &Options::default()).await
        else {
            panic!("it was planned");
        };
        let found: Vec<(&str, &str)> = problems.iter().map(|p| (p.key.as_str(), p.message.as_str())).collect();
        let message = format!(
            "it follows changes of public.orders, which belongs to {etl}: only its owner can make the triggers"
        );
        assert_eq!(found, [("refresh.strategy", message.as_str())]);
        // The log is not there yet that its owner could make the triggers for.
        let grant = format!("GRANT {etl} TO {builder}; it can be revoked once the triggers are made");
        assert_eq!(problems[0].help, grant);
        database.script(&format!("GRANT {etl} TO {builder}")).await;
        let plan = project::plan(&mut conn, &desired, &Options::default()).await.expect("a plan");
        project::apply(&mut conn, &plan, &desired).await.expect("an apply");
        database.script("INSERT INTO orders VALUES (1, 'north')").await;
        assert_eq!(database.value(&format!("SELECT count(*) FROM {ORDERS_LOG}_0")).await, "1");

        database.script(&format!("REVOKE {etl} FROM {builder}")).await;
        let plan = project::plan(&mut conn, &desired, &Options::default()).await.expect("a plan without the role");
        assert!(plan.is_empty(), "{plan:?}");
        database.script("DROP TRIGGER datamart_changes_default_public_orders_insert ON orders").await;
        let Err(PlanError::Problems { problems, .. }) = project::plan(&mut conn, &desired, &Options::default()).await
        else {
            panic!("it was planned");
        };
        let instead = format!("{grant}, or run as {etl}: CREATE OR REPLACE TRIGGER");
        assert!(problems[0].help.starts_with(&instead), "{}", problems[0].help);
    });
}
