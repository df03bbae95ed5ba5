//! What partitions keep through exchanges, what of them is noticed and what is looked at before readers see it.

use datamart::plan::{self, HazardKind, Heal};
use datamart::refresh::{Method, Run, RunStatus};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};

/// Days up to the one on which plans are made here.
const ORDERS: &str = "CREATE VIEW today AS SELECT least(current_date, date '2026-06-15') AS day;
    CREATE TABLE orders (day date, country text, amount numeric NOT NULL);
    INSERT INTO orders SELECT day - d, (ARRAY['DE', 'FR', 'US'])[1 + d % 3], d FROM today, generate_series(0, 200) AS d;";

/// Rows of the mart that are not its query's, and the other way round.
const WRONG: &str = "SELECT (SELECT count(*) FROM (SELECT day, country, amount FROM sales EXCEPT ALL SELECT day, country, sum(amount) FROM orders GROUP BY 1, 2) AS a)
    + (SELECT count(*) FROM (SELECT day, country, sum(amount) FROM orders GROUP BY 1, 2 EXCEPT ALL SELECT day, country, amount FROM sales) AS b)";

/// The partition of so many days ago.
fn of(days: u32) -> String {
    format!("SELECT tableoid::regclass FROM sales WHERE day = (SELECT day FROM today) - {days} LIMIT 1")
}

fn sales(partition: &str, more: &str) -> String {
    format!(
        "type = \"partitioned_table\"\nquery = \"SELECT day, country, sum(amount) AS amount FROM orders GROUP BY 1, 2\"\n\
         [partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\n{partition}\n{more}\n"
    )
}

const WINDOW: &str = "[refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"window\"\ntime_column = \"day\"\nlookback = \"1 day\"";

async fn shop(manifest: &str) -> (Database, Folder) {
    let database = Database::new().await;
    database.script(ORDERS).await;
    let folder = Folder::of(&[("sales.toml", manifest)]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    (database, folder)
}

async fn refreshed(database: &Database, folder: &Folder) -> Run {
    refresh(database, folder.path(), &refresh_options()).await.remove(0)
}

async fn planned(database: &Database, folder: &Folder, options: &plan::Options) -> plan::Plan {
    let desired = project::load(folder.path());
    project::plan(&mut database.session().await, &desired, options).await.expect("a plan")
}

fn of_partitions(plan: &plan::Plan) -> usize {
    plan.steps.iter().filter(|step| step.sql.starts_with("CREATE TABLE")).count()
}

/// What people said of a partition, and who may read some of its columns.
#[test]
fn words_and_rights_of_columns_outlive_an_exchange() {
    run(async {
        let (database, folder) = shop(&sales("", "")).await;
        let role = format!("{}_reader", database.name);
        let old = database.value(&of(100)).await;
        let before = database.value(&format!("SELECT '{old}'::regclass::oid")).await;
        database
            .script(&format!(
                "CREATE ROLE {role}; GRANT SELECT (country), INSERT (amount) ON {old} TO {role};
                 COMMENT ON TABLE {old} IS 'the month of the fair'; COMMENT ON COLUMN {old}.amount IS 'without \\ fees';
                 UPDATE orders SET amount = 1000 WHERE day = (SELECT day FROM today) - 100"
            ))
            .await;
        let run = refreshed(&database, &folder).await;
        assert_eq!((run.status, run.method), (RunStatus::Success, Some(Method::Exchange)), "{run:#?}");
        assert_ne!(database.value(&format!("SELECT '{old}'::regclass::oid")).await, before);
        let words = format!(
            "SELECT obj_description('{old}'::regclass, 'pg_class') || ', ' || col_description('{old}'::regclass, 3)"
        );
        assert_eq!(database.value(&words).await, "the month of the fair, without \\ fees");
        let rights = format!(
            "SELECT has_column_privilege('{role}', '{old}', 'country', 'SELECT') AND has_column_privilege('{role}', '{old}', 'amount', 'INSERT')
             AND NOT has_column_privilege('{role}', '{old}', 'amount', 'SELECT') AND NOT has_table_privilege('{role}', '{old}', 'SELECT')"
        );
        assert_eq!(database.value(&rights).await, "true");
        database.script(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

/// Values that PostgreSQL prints in other words than a manifest.
#[test]
fn lists_are_what_they_mean() {
    run(async {
        for (type_name, low, high) in [
            ("numeric(6, 2)", "\"1\", \"+2.0\"", "\"3\""),
            ("numeric", "\"02.0\", \"1.50\"", "\"-.5\""),
            ("date", "\"2026/01/05\", \"20260106\"", "\"5 March 2026\""),
            ("timestamp", "\"2026-01-05\"", "\"2026-01-06T10:30\""),
            ("boolean", "\"yes\"", "\"off\""),
            ("character(3)", "\"DE\"", "\"FR\""),
            ("integer", "\"007\"", "\"+8\""),
        ] {
            let database = Database::new().await;
            database.script(&format!("CREATE TABLE parts (part {type_name}, amount int)")).await;
            let manifest = format!(
                "type = \"partitioned_table\"\nquery = \"SELECT part, amount FROM parts\"\n\
                 [partition]\nby = \"list\"\ncolumn = \"part\"\nvalues = {{ low = [{low}], high = [{high}] }}\n"
            );
            let folder = Folder::of(&[("sales.toml", &*manifest)]);
            let desired = project::load(folder.path());
            let mut session = database.session().await;
            let plan = project::plan(&mut session, &desired, &plan::Options::default()).await.expect("a plan");
            project::apply(&mut session, &plan, &desired).await.expect("applied");
            let again =
                planned(&database, &folder, &plan::Options { heal: Heal::All, ..plan::Options::default() }).await;
            assert!(
                again.steps.is_empty() && again.drift.is_empty(),
                "{type_name}: {:#?} {:#?}",
                again.steps,
                again.drift
            );
        }
    });
}

/// Old partitions leave by themselves; one that somebody took is missing all the same.
#[test]
fn the_oldest_partition_is_missed_where_old_ones_leave() {
    run(async {
        for kept in ["retain = \"36 months\"", "[retention]\ncolumn = \"day\"\nkeep = \"900 days\""] {
            let (database, folder) = shop(&sales("", &format!("{kept}\n{WINDOW}"))).await;
            let oldest = database.value(&of(200)).await;
            database.script(&format!("DROP TABLE {oldest}")).await;
            let healing = plan::Options { heal: Heal::All, ..plan::Options::default() };
            assert_eq!(of_partitions(&planned(&database, &folder, &healing).await), 1, "{kept}");
            let run = refreshed(&database, &folder).await;
            assert_eq!(run.status, RunStatus::Success, "{run:#?}");
            assert_eq!(database.value(WRONG).await, "0", "{kept}");
        }
    });
}

/// Partitions that left in their time are not missed where more is kept from now on.
#[test]
fn what_left_in_its_time_is_not_missed() {
    run(async {
        let (database, folder) = shop(&sales("retain = \"36 months\"", "")).await;
        // As if it had been applied long ago, with partitions that have left since.
        database
            .script("UPDATE datamart.marts SET applied = jsonb_set(applied, '{divided,first}', '\"2019-01-01\"')")
            .await;
        folder.write("sales.toml", &sales("retain = \"240 months\"", ""));
        let longer = planned(&database, &folder, &plan::Options::default()).await;
        assert_eq!(of_partitions(&longer), 0, "{:#?}", longer.steps);
    });
}

/// Rows that come back are looked at as all others are.
#[test]
fn what_comes_back_is_checked() {
    run(async {
        // What is said of all rows together does not hold for an old partition alone.
        let check = "[[checks]]\nname = \"no_debts\"\nsql = \"SELECT * FROM {this} WHERE amount < 0\"\n\
                     [[checks]]\nname = \"enough\"\nsql = \"SELECT count(*) FROM {this} HAVING count(*) < 100\"\n\
                     [[checks]]\nrows = { min = 100 }\n";
        let (database, folder) = shop(&sales("", &format!("{WINDOW}\n{check}"))).await;
        let old = database.value(&of(100)).await;
        database
            .script(&format!(
                "DROP TABLE {old}; UPDATE orders SET amount = -1 WHERE day = (SELECT day FROM today) - 100"
            ))
            .await;
        let run = refreshed(&database, &folder).await;
        assert_eq!(run.status, RunStatus::Failed, "{run:#?}");
        assert!(format!("{run:?}").contains("no_debts"), "{run:#?}");
        assert_eq!(database.value(&format!("SELECT to_regclass('{old}') IS NULL")).await, "true");
        let desired = project::load(folder.path());
        let mut session = database.session().await;
        let healing = plan::Options { heal: Heal::All, ..plan::Options::default() };
        let plan = project::plan(&mut session, &desired, &healing).await.expect("a plan");
        let refused = project::apply(&mut session, &plan, &desired).await.expect_err("a check that fails");
        assert!(refused.to_string().contains("no_debts"), "{refused}");
        assert_eq!(database.value(&format!("SELECT to_regclass('{old}') IS NULL")).await, "true");
        database.script("UPDATE orders SET amount = 5 WHERE amount < 0").await;
        assert_eq!(refreshed(&database, &folder).await.status, RunStatus::Success);
        assert_eq!(database.value(WRONG).await, "0");
    });
}

/// Frozen rows that nothing computes again do not go because less is kept, unless somebody allows it.
#[test]
fn frozen_rows_do_not_leave_unasked() {
    run(async {
        let frozen = "[refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"partition\"\ntime_column = \"day\"\nfrozen_before = \"30 days\"";
        let (database, folder) = shop(&sales("", frozen)).await;
        let rows = database.value("SELECT count(*) FROM sales").await;
        folder.write("sales.toml", &sales("", &format!("{frozen}\n[retention]\ncolumn = \"day\"\nkeep = \"60 days\"")));
        let refused = planned(&database, &folder, &plan::Options::default()).await.refused;
        let kinds: Vec<HazardKind> = refused.iter().map(|refusal| refusal.hazard).collect();
        assert_eq!(kinds, [HazardKind::DeletesData], "{refused:#?}");
        assert_eq!(database.value("SELECT count(*) FROM sales").await, rows);
        let allow = [HazardKind::DeletesData].into();
        converge(&database, folder.path(), &plan::Options { allow, ..plan::Options::default() }).await;
        assert_eq!(database.value("SELECT count(*) FROM sales WHERE day < current_date - 60").await, "0");
    });
}

/// `[retention]` of the column by which a mart is divided: what is too old is not there, neither as rows nor as partitions.
#[test]
fn partitions_leave_by_retention() {
    run(async {
        let (database, folder) = shop(&sales("", "[retention]\ncolumn = \"day\"\nkeep = \"900 days\"")).await;
        database
            .script(
                "CREATE TABLE sales_y2001_m01 PARTITION OF sales FOR VALUES FROM ('2001-01-01') TO ('2001-02-01');
                 INSERT INTO sales VALUES ('2001-01-05', 'DE', 1); INSERT INTO orders VALUES ('2001-01-05', 'DE', 1), (current_date - 890, 'DE', 5)",
            )
            .await;
        let run = refreshed(&database, &folder).await;
        assert_eq!(run.status, RunStatus::Success, "{run:#?}");
        let left = "SELECT (SELECT count(*) FROM sales WHERE day < current_date - 900) || ' ' || (to_regclass('sales_y2001_m01') IS NULL)::text";
        assert_eq!(database.value(left).await, "0 true");
        assert_eq!(database.value("SELECT count(*) FROM sales WHERE day = current_date - 890").await, "1");
    });
}

/// Of an hour that comes twice the first is kept as long as its partition.
#[test]
fn rows_leave_with_their_partition_where_clocks_are_moved() {
    run(async {
        let database = Database::new().await;
        let manifest = "type = \"partitioned_table\"\nquery = \"SELECT now() AS at\"\n\
            [partition]\nby = \"range\"\ncolumn = \"at\"\ninterval = \"1 hour\"\nretain = \"1 hour\"\n";
        let folder = Folder::of(&[("sales.toml", manifest)]);
        let mart = project::load(folder.path()).marts.remove(0).mart;
        let oldest = datamart::sql::oldest_partition_of(&mart, |_| Some("timestamp with time zone".to_owned()));
        let oldest = oldest.expect("an oldest one");
        for (zone, now, begins) in [
            ("Europe/Berlin", "2026-10-25 01:30:00+00", "2026-10-25 01:00 CEST"),
            ("Europe/Berlin", "2026-10-25 02:30:00+00", "2026-10-25 02:00 CEST"),
            ("Europe/Berlin", "2026-10-25 03:30:00+00", "2026-10-25 03:00 CET"),
            ("Europe/Berlin", "2026-03-29 01:30:00+00", "2026-03-29 03:00 CEST"),
            ("Europe/Berlin", "2026-03-29 02:30:00+00", "2026-03-29 03:00 CEST"),
            ("America/Havana", "2026-11-01 06:30:00+00", "2026-11-01 00:00 CDT"),
        ] {
            let oldest = oldest.replace("pg_catalog.now()", &format!("timestamptz '{now}'"));
            let sql = format!(
                "SET TimeZone = '{zone}'; CREATE TABLE IF NOT EXISTS told (at text); TRUNCATE told; \
                INSERT INTO told VALUES (to_char({oldest}, 'YYYY-MM-DD HH24:MI TZ'))"
            );
            database.script(&sql).await;
            assert_eq!(database.value("SELECT at FROM told").await, begins, "{zone} at {now}");
        }
    });
}
