//! Rows that are kept though nothing computes them again: of old partitions that wait to leave, of frozen ones, of those by hand.

use datamart::plan::{self, HazardKind, Heal};
use datamart::refresh::{Method, Options, Run, RunStatus};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};

const ORDERS: &str = "CREATE TABLE orders (day date, country text, amount numeric NOT NULL);
    INSERT INTO orders SELECT current_date - d, (ARRAY['DE', 'FR', 'US'])[1 + d % 3], d FROM generate_series(0, 200) AS d;";

/// The same, up to the day on which plans are made here.
const PAST: &str = "CREATE VIEW today AS SELECT least(current_date, date '2026-06-15') AS day;
    CREATE TABLE orders (day date, country text, amount numeric NOT NULL);
    INSERT INTO orders SELECT day - d, (ARRAY['DE', 'FR', 'US'])[1 + d % 3], d FROM today, generate_series(0, 200) AS d;";

/// The partition of a hundred days ago.
const OLD: &str = "SELECT tableoid::regclass FROM sales WHERE day = current_date - 100 LIMIT 1";
/// The same, by the day on which plans are made here.
const PAST_OLD: &str = "SELECT tableoid::regclass FROM sales WHERE day = (SELECT day FROM today) - 100 LIMIT 1";

/// A partition of long ago, with a row.
const ANCIENT: &str =
    "CREATE TABLE sales_y2001_m01 PARTITION OF sales FOR VALUES FROM ('2001-01-01') TO ('2001-02-01');
    INSERT INTO sales VALUES ('2001-01-05', 'DE', 1)";

fn sales(partition: &str, more: &str) -> String {
    let query = "SELECT day, country, sum(amount) AS amount FROM orders GROUP BY 1, 2";
    format!(
        "type = \"partitioned_table\"\nquery = \"{query}\"\n[partition]\nby = \"range\"\ncolumn = \"day\"\n{partition}\n{more}\n"
    )
}

fn frozen(method: &str) -> String {
    format!(
        "[refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\ntime_column = \"day\"\nmethod = \"{method}\"\nfrozen_before = \"30 days\"\n"
    )
}

async fn shop(seed: &str, manifest: &str) -> (Database, Folder) {
    let database = Database::new().await;
    database.script(seed).await;
    let folder = Folder::of(&[("sales.toml", manifest)]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    (database, folder)
}

async fn refreshed(database: &Database, folder: &Folder, options: &Options) -> Run {
    let run = refresh(database, folder.path(), options).await.remove(0);
    assert_eq!(run.status, RunStatus::Success, "{run:#?}");
    run
}

async fn planned(database: &Database, folder: &Folder, options: &plan::Options) -> plan::Plan {
    let desired = project::load(folder.path());
    project::plan(&mut database.session().await, &desired, options).await.expect("a plan")
}

/// Who reads one keeps it from leaving for now, and its rows stay with it.
#[test]
fn what_is_to_be_detached_and_is_read_keeps_its_rows() {
    run(async {
        let retain = "interval = \"1 month\"\nretain = \"6 months\"\non_expire = \"detach\"";
        let (database, folder) = shop(ORDERS, &sales(retain, "")).await;
        database.script(ANCIENT).await;
        let mut reader = database.session().await;
        sqlx::raw_sql("BEGIN; SELECT count(*) FROM public.sales_y2001_m01").execute(&mut reader).await.expect("a read");
        database.script("UPDATE orders SET amount = 1000 WHERE day = current_date - 100").await;
        refreshed(&database, &folder, &Options { publish_lock_timeout_ms: 1, ..refresh_options() }).await;
        assert_eq!(database.value("SELECT count(*) FROM sales_y2001_m01").await, "1");
        sqlx::raw_sql("COMMIT").execute(&mut reader).await.expect("a commit");
        refreshed(&database, &folder, &refresh_options()).await;
        assert_eq!(database.value("SELECT count(*) FROM sales_y2001_m01_detached").await, "1");
        assert_eq!(database.value("SELECT max(amount) FROM sales WHERE day = current_date - 100").await, "1000");
    });
}

#[test]
fn what_is_to_be_detached_does_not_go_with_a_replacement() {
    run(async {
        let retain = "retain = \"6 months\"\non_expire = \"detach\"";
        let (database, folder) = shop(ORDERS, &sales(&format!("interval = \"1 month\"\n{retain}"), "")).await;
        database.script(ANCIENT).await;
        folder.write("sales.toml", &sales(&format!("interval = \"1 week\"\n{retain}"), ""));
        let allow = [HazardKind::RebuildsData].into();
        converge(&database, folder.path(), &plan::Options { allow, ..plan::Options::default() }).await;
        assert_eq!(database.value("SELECT count(*) FROM sales_y2001_m01_detached").await, "1");
    });
}

/// What stands in the default of a time that the source has forgotten moves, and is not computed again.
#[test]
fn history_in_the_default_moves() {
    run(async {
        for (manifest, purge) in [
            (frozen("partition"), "DELETE FROM orders WHERE day < (SELECT day FROM today) - 40"),
            (
                frozen("append").replace("frozen_before = \"30 days\"\n", ""),
                "DELETE FROM orders WHERE day < (SELECT day FROM today) - 40",
            ),
        ] {
            for applied in [false, true] {
                let (database, folder) = shop(PAST, &sales("interval = \"1 month\"\ndefault = true", &manifest)).await;
                let old = database.value(PAST_OLD).await;
                database
                    .script(&format!(
                        "DROP TABLE {old}; INSERT INTO sales VALUES ((SELECT day FROM today) - 100, 'DE', 777); {purge}"
                    ))
                    .await;
                match applied {
                    true => drop(converge(&database, folder.path(), &plan::Options::default()).await),
                    false => drop(refreshed(&database, &folder, &refresh_options()).await),
                }
                let amount = "SELECT sum(amount) FROM sales WHERE day = (SELECT day FROM today) - 100";
                assert_eq!(database.value(amount).await, "777", "{manifest} {applied}");
                assert_eq!(database.value(PAST_OLD).await, old);
            }
        }
    });
}

/// A frozen partition that is gone is not made again without its rows: it may be attached again.
#[test]
fn a_frozen_partition_that_is_gone_is_left_to_people() {
    run(async {
        let (database, folder) = shop(PAST, &sales("interval = \"1 month\"", &frozen("partition"))).await;
        let old = database.value(PAST_OLD).await;
        database
            .script(&format!(
                "ALTER TABLE sales DETACH PARTITION {old}; ALTER TABLE {old} RENAME TO held;
                 DELETE FROM orders WHERE day < (SELECT day FROM today) - 40; INSERT INTO orders VALUES (current_date, 'DE', 7)"
            ))
            .await;
        refreshed(&database, &folder, &refresh_options()).await;
        assert_eq!(database.value(&format!("SELECT to_regclass('{old}') IS NULL")).await, "true");
        assert_eq!(database.value("SELECT amount FROM sales WHERE day = current_date").await, "7");
        let plan = planned(&database, &folder, &plan::Options { heal: Heal::All, ..plan::Options::default() }).await;
        let kinds: Vec<HazardKind> = plan.refused.iter().map(|refusal| refusal.hazard).collect();
        assert!(kinds.contains(&HazardKind::DeletesData), "{:#?}", plan.refused);
        let allow = [HazardKind::RebuildsData, HazardKind::DeletesData].into();
        converge(&database, folder.path(), &plan::Options { allow, ..plan::Options::default() }).await;
        assert_eq!(database.value(&format!("SELECT count(*) FROM {old}")).await, "0");
    });
}

/// Row security of a partition is its own, whatever the mart has.
#[test]
fn what_guards_a_partition_stays_on_it() {
    run(async {
        let (database, folder) = shop(ORDERS, &sales("interval = \"1 month\"", "")).await;
        refreshed(&database, &folder, &refresh_options()).await;
        let old = database.value(OLD).await;
        database
            .script(&format!(
                "ALTER TABLE sales ENABLE ROW LEVEL SECURITY; CREATE POLICY germans ON sales USING (country = 'DE');
                 ALTER TABLE {old} ENABLE ROW LEVEL SECURITY; CREATE POLICY germans ON {old} USING (country = 'DE');
                 UPDATE orders SET amount = 1000 WHERE day = current_date - 100"
            ))
            .await;
        let run = refreshed(&database, &folder, &refresh_options()).await;
        assert_eq!(run.method, Some(Method::Exchange));
        assert!(run.reason.contains("not exchanged but merged"), "{}", run.reason);
        let guarded = format!("SELECT relrowsecurity FROM pg_class WHERE oid = '{old}'::regclass");
        assert_eq!(database.value(&guarded).await, "true");
        assert_eq!(
            database.value(&format!("SELECT count(*) FROM pg_policy WHERE polrelid = '{old}'::regclass")).await,
            "1"
        );
        assert_eq!(database.value("SELECT max(amount) FROM sales WHERE day = current_date - 100").await, "1000");
    });
}

/// Readers see the rows of a partition that somebody made: what heals by itself does not take them away.
#[test]
fn partitions_by_hand_do_not_leave_by_themselves() {
    run(async {
        let (database, folder) = shop(ORDERS, &sales("interval = \"1 month\"", "")).await;
        database.script("CREATE TABLE rest PARTITION OF sales DEFAULT; INSERT INTO sales VALUES (NULL, 'DE', 1)").await;
        let healing = |heal| plan::Options { heal, ..plan::Options::default() };
        let plan = planned(&database, &folder, &healing(Heal::ButAdded)).await;
        assert!(plan.changes.is_empty(), "{:#?}", plan.changes);
        assert_eq!(plan.drift.len(), 1, "{:#?}", plan.drift);
        assert_eq!(planned(&database, &folder, &healing(Heal::All)).await.changes.len(), 1);
    });
}

/// Who reads the default for long keeps a partition from coming, and nothing else.
#[test]
fn a_default_that_is_read_takes_the_rows_for_now() {
    run(async {
        let (database, folder) = shop(ORDERS, &sales("interval = \"1 month\"\ndefault = true", "")).await;
        refreshed(&database, &folder, &refresh_options()).await;
        let last = "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'sales'::regclass";
        let last = database.value(last).await;
        database.script(&format!("DROP TABLE {last}")).await;
        let mut reader = database.session().await;
        sqlx::raw_sql("BEGIN; SELECT count(*) FROM public.sales_default").execute(&mut reader).await.expect("a read");
        refreshed(&database, &folder, &Options { publish_lock_timeout_ms: 1, ..refresh_options() }).await;
        assert_eq!(database.value(&format!("SELECT to_regclass('{last}') IS NULL")).await, "true");
        sqlx::raw_sql("COMMIT").execute(&mut reader).await.expect("a commit");
        refreshed(&database, &folder, &refresh_options()).await;
        assert_eq!(database.value(&format!("SELECT to_regclass('{last}') IS NULL")).await, "false");
    });
}

/// What a refresh that was killed left on a default neither lasts nor counts.
#[test]
fn a_bound_that_was_left_goes() {
    run(async {
        let (database, folder) = shop(ORDERS, &sales("interval = \"1 month\"\ndefault = true", "")).await;
        refreshed(&database, &folder, &refresh_options()).await;
        database
            .script(
                "ALTER TABLE sales_default ADD CONSTRAINT datamart_bound CHECK (day IS NULL);
                 INSERT INTO orders VALUES (NULL, 'DE', 5), (date '1999-01-01', 'DE', 5)",
            )
            .await;
        let run = refreshed(&database, &folder, &refresh_options()).await;
        assert!(!run.reason.contains("merged"), "{}", run.reason);
        assert_eq!(database.value("SELECT count(*) FROM sales_default").await, "2");
        assert_eq!(database.value("SELECT count(*) FROM pg_constraint WHERE conname = 'datamart_bound'").await, "0");
    });
}

#[test]
fn rows_far_ahead_have_a_partition_from_the_first() {
    run(async {
        let seed = format!("{ORDERS} INSERT INTO orders VALUES (current_date + 300, 'DE', 5)");
        let partition = "interval = \"1 month\"\nstart = \"2025-01-01\"\npremake = 1";
        let (database, _folder) = shop(&seed, &sales(partition, "")).await;
        assert_eq!(database.value("SELECT count(*) FROM sales WHERE day = current_date + 300").await, "1");
    });
}
