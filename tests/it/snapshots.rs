//! `on = "refresh"`: every refresh of a versioned mart makes a version, and the ones before it stay as they were.

use datamart::plan::Options;
use datamart::refresh::{Method, RunStatus};
use sqlx::Connection;

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, category text NOT NULL, amount numeric NOT NULL);
    INSERT INTO orders SELECT i, 'c' || i % 10, i FROM generate_series(1, 100) AS i;";

const TABLE: &str = r#"
type = "table"
query = "SELECT category, sum(amount) AS total FROM orders GROUP BY category"
primary_key = ["category"]
columns = { total = { not_null = true } }
versions = { keep = 3, on = "refresh" }

[[indexes]]
columns = ["total"]

[[indexes]]
name = "by_word"
columns = ["(upper(category))"]

[[checks]]
name = "positive"
sql = "SELECT * FROM {this} WHERE total < 0"
"#;

const MATVIEW: &str = r#"
type = "materialized_view"
query = "SELECT category, count(*) AS n FROM orders GROUP BY category"
versions = { keep = 2, on = "refresh" }

[[indexes]]
columns = ["category"]
unique = true
"#;

async fn shop(marts: &[(&str, &str)]) -> (Database, Folder) {
    let database = Database::new().await;
    database.script(ORDERS).await;
    let folder = Folder::of(marts);
    converge(&database, folder.path(), &Options::default()).await;
    (database, folder)
}

/// Nothing is to be done, and the registry says what there is.
async fn is_calm(database: &Database, folder: &Folder) {
    let mut conn = database.session().await;
    let desired = project::load(folder.path());
    let plan = project::plan(&mut conn, &desired, &Options::default()).await.expect("a plan");
    assert!(plan.changes.is_empty() && plan.drift.is_empty(), "{:#?} {:#?}", plan.changes, plan.drift);
    assert!(plan.records.is_empty(), "{:#?}", plan.records);
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'";
    assert_eq!(database.value(left).await, "0");
}

const VERSIONS: &str =
    "SELECT string_agg(name || ' ' || version || CASE WHEN published THEN ' published' ELSE '' END, ', ' ORDER BY name, version)
       FROM datamart.versions";

#[test]
fn every_refresh_is_a_version_and_older_ones_stay_as_they_were() {
    run(async {
        let (database, folder) = shop(&[("n.toml", MATVIEW), ("sales.toml", TABLE)]).await;
        let reader = format!("{}_reader", database.name);
        database
            .script(&format!(
                "CREATE ROLE {reader}; GRANT SELECT ON sales, sales_v1 TO {reader};
                 CREATE VIEW top AS SELECT max(total) AS most FROM sales;
                 INSERT INTO orders VALUES (1000, 'new', 7)"
            ))
            .await;
        let view = database.value("SELECT 'sales'::regclass::oid").await;
        // VACUUM takes for visible only what is safely on disk, and what no older snapshot may still see otherwise.
        database.script(&format!("ALTER DATABASE {} SET synchronous_commit = on", database.name)).await;
        let options = datamart::refresh::Options { parallel: 1, ..refresh_options() };
        let runs = refresh(&database, folder.path(), &options).await;
        assert!(runs.iter().all(|r| r.status == RunStatus::Success && r.method == Some(Method::Swap)), "{runs:#?}");
        assert_eq!(runs[0].reason, "version 2 (on = \"refresh\")");
        assert_eq!((runs[0].row_count, runs[0].rows_inserted), (Some(11), Some(11)));
        assert_eq!(database.value(VERSIONS).await, "n 1, n 2 published, sales 1, sales 2 published");
        assert_eq!(database.value("SELECT total FROM sales WHERE category = 'new'").await, "7");
        assert_eq!(database.value("SELECT count(*) FROM sales_v1 WHERE category = 'new'").await, "0");
        assert_eq!(database.value("SELECT n FROM n WHERE category = 'new'").await, "1");
        assert_eq!(database.value("SELECT 'sales'::regclass::oid").await, view, "the view is another one");
        let indexes = |v: i32| {
            format!(
                "SELECT string_agg(replace(indexdef, '_v{v}', ''), '; ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'sales_v{v}'"
            )
        };
        assert_eq!(database.value(&indexes(2)).await, database.value(&indexes(1)).await);
        let facts = |v: i32| {
            format!("SELECT relacl::text || (SELECT string_agg(attname || attnotnull, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)
                       FROM pg_class AS c WHERE oid = 'sales_v{v}'::regclass")
        };
        assert_eq!(database.value(&facts(2)).await, database.value(&facts(1)).await);
        is_calm(&database, &folder).await;

        for _ in 0..3 {
            refresh(&database, folder.path(), &refresh_options()).await;
        }
        let kept = "n 4, n 5 published, sales 3, sales 4, sales 5 published";
        assert_eq!(database.value(VERSIONS).await, kept);
        let relations =
            "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname ~ '^(n|sales)_v[0-9]+$'";
        assert_eq!(database.value(relations).await, "n_v4 n_v5 sales_v3 sales_v4 sales_v5");
        assert_eq!(database.value("SELECT most FROM top").await, "550");
        is_calm(&database, &folder).await;

        // A changed definition is a version like any other.
        folder.write("sales.toml", &TABLE.replace("sum(amount)", "max(amount)"));
        converge(&database, folder.path(), &Options::default()).await;
        assert_eq!(database.value("SELECT max(total) FROM sales").await, "100");
        assert_eq!(database.value(VERSIONS).await, "n 4, n 5 published, sales 4, sales 5, sales 6 published");

        // A session that is just connecting, to whatever database, may keep rows from being visible to all: then not every time.
        let visible =
            "SELECT bool_or(relpages > 0 AND relallvisible = relpages) FROM pg_class WHERE relname ~ '^sales_v[0-9]+$'";
        for _ in 0..20 {
            if database.value(visible).await == "true" {
                return;
            }
            refresh(&database, folder.path(), &refresh_options()).await;
        }
        panic!("never vacuumed");
    });
}

#[test]
fn a_version_that_something_reads_is_kept() {
    run(async {
        let (database, folder) = shop(&[("n.toml", MATVIEW)]).await;
        database.script("CREATE VIEW theirs AS SELECT * FROM n_v1").await;
        for _ in 0..3 {
            refresh(&database, folder.path(), &refresh_options()).await;
        }
        assert_eq!(database.value(VERSIONS).await, "n 1, n 3, n 4 published");
        database.script("DROP VIEW theirs").await;
        refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(database.value(VERSIONS).await, "n 4, n 5 published");
        is_calm(&database, &folder).await;
    });
}

#[test]
fn a_version_whose_check_fails_is_not_published() {
    run(async {
        let (database, folder) = shop(&[("sales.toml", TABLE)]).await;
        database.script("INSERT INTO orders VALUES (1000, 'new', -7)").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Failed, "{runs:#?}");
        assert_eq!(runs[0].checks[0].sample.len(), 1, "{runs:#?}");
        assert_eq!(runs[0].checks[0].mart, "public.sales");
        assert_eq!(database.value(VERSIONS).await, "sales 1 published");
        assert_eq!(database.value("SELECT count(*) FROM sales WHERE total < 0").await, "0");
        is_calm(&database, &folder).await;
    });
}

#[test]
fn while_an_older_version_is_pinned_it_is_refreshed_itself() {
    run(async {
        let (database, folder) = shop(&[("sales.toml", TABLE)]).await;
        refresh(&database, folder.path(), &refresh_options()).await;
        folder.write("sales.toml", &TABLE.replace("keep = 3", "keep = 3, pin = 1"));
        converge(&database, folder.path(), &Options::default()).await;
        database.script("INSERT INTO orders VALUES (1000, 'new', 7)").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].method, Some(Method::Merge), "{runs:#?}");
        assert_eq!(runs[0].mart, "public.sales");
        assert_eq!(database.value(VERSIONS).await, "sales 1 published, sales 2");
        assert_eq!(database.value("SELECT total FROM sales_v1 WHERE category = 'new'").await, "7");
        assert_eq!(database.value("SELECT count(*) FROM sales_v2 WHERE category = 'new'").await, "0");
        is_calm(&database, &folder).await;
    });
}

#[test]
fn a_version_that_cannot_be_published_leaves_nothing_behind() {
    run(async {
        let (database, folder) = shop(&[("sales.toml", TABLE)]).await;
        let mut reader = database.session().await;
        sqlx::raw_sql("BEGIN; SELECT * FROM public.sales").execute(&mut reader).await.expect("a reader");
        let options = datamart::refresh::Options { publish_lock_timeout_ms: 1, ..refresh_options() };
        let runs = refresh(&database, folder.path(), &options).await;
        assert_eq!(runs[0].status, RunStatus::Failed, "{runs:#?}");
        assert_eq!(runs[0].error.as_ref().and_then(|e| e.sqlstate.as_deref()), Some("55P03"));
        reader.close().await.expect("an end");
        assert_eq!(database.value(VERSIONS).await, "sales 1 published");
        is_calm(&database, &folder).await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Success, "{runs:#?}");
    });
}
