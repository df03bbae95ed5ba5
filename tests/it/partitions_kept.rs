//! Partitions that somebody took away, that rows need, whose names are taken; who may read them.

use datamart::plan;
use datamart::refresh::{Method, Run, RunStatus, keep_partitions};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{converge, refresh, refresh_options};

const ORDERS: &str = "CREATE TABLE orders (day date, country text, amount numeric NOT NULL);
    INSERT INTO orders SELECT current_date - d, (ARRAY['DE', 'FR', 'US'])[1 + d % 3], d FROM generate_series(0, 200) AS d;";

/// Rows of the mart that are not its query's, and the other way round.
const WRONG: &str = "SELECT (SELECT count(*) FROM (SELECT day, country, amount FROM sales EXCEPT ALL SELECT day, country, sum(amount) FROM orders GROUP BY 1, 2) AS a)
    + (SELECT count(*) FROM (SELECT day, country, sum(amount) FROM orders GROUP BY 1, 2 EXCEPT ALL SELECT day, country, amount FROM sales) AS b)";

/// The partition of a hundred days ago.
const OLD: &str = "SELECT tableoid::regclass FROM sales WHERE day = current_date - 100 LIMIT 1";

fn sales(partition: &str, more: &str) -> String {
    format!(
        "type = \"partitioned_table\"\nquery = \"SELECT day, country, sum(amount) AS amount FROM orders GROUP BY 1, 2\"\n\
         primary_key = [\"day\", \"country\"]\n[partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\n{partition}\n{more}\n"
    )
}

fn incremental(method: &str) -> String {
    format!("[refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\n{method}")
}

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

#[test]
fn a_partition_that_was_dropped_has_its_rows_again_after_any_refresh() {
    run(async {
        for (method, how) in [
            ("method = \"partition\"\nlookback = \"1 day\"", Method::Partition),
            ("method = \"window\"\ntime_column = \"day\"\nlookback = \"1 day\"", Method::Window),
            ("method = \"append\"\ntime_column = \"day\"", Method::Append),
            ("method = \"upsert\"", Method::Upsert),
        ] {
            let (database, folder) = shop(&sales("", &incremental(method))).await;
            let old = database.value(OLD).await;
            database.script(&format!("DROP TABLE {old}")).await;
            // Nobody but an apply or a refresh makes it again: it would be empty.
            keep_partitions(&database.endpoint, &refresh_options()).await.expect("it goes");
            assert_eq!(database.value(&format!("SELECT to_regclass('{old}') IS NULL")).await, "true");
            let run = refreshed(&database, &folder).await;
            assert_eq!((run.status, run.method), (RunStatus::Success, Some(how)), "{run:#?}");
            assert_eq!(database.value(WRONG).await, "0", "{method}");
        }
    });
}

#[test]
fn rows_beyond_the_partitions_get_theirs_whatever_the_method() {
    run(async {
        for method in [
            "method = \"window\"\ntime_column = \"day\"\nlookback = \"400 days\"",
            "method = \"append\"\ntime_column = \"day\"",
            "method = \"upsert\"",
        ] {
            let (database, folder) = shop(&sales("premake = 0", &incremental(method))).await;
            database
                .script("INSERT INTO orders VALUES (current_date + 100, 'DE', 5), (current_date + 200, 'DE', 5)")
                .await;
            let run = refreshed(&database, &folder).await;
            assert_eq!(run.status, RunStatus::Success, "{run:#?}");
            assert_eq!(database.value(WRONG).await, "0", "{method}");
            database.script("INSERT INTO orders VALUES (date '9999-12-31', 'DE', 5)").await;
            let run = refreshed(&database, &folder).await;
            let message = run.error.expect("an error").message;
            assert!(message.contains("more than 10000 partitions of 1 month"), "{message}");
        }
    });
}

#[test]
fn what_has_the_name_of_a_partition_is_named() {
    run(async {
        let (database, folder) = shop(&sales("premake = 0", "")).await;
        refreshed(&database, &folder).await;
        let next = database.value("SELECT 'sales_y' || to_char(now() + interval '1 month', 'YYYY_\"m\"MM')").await;
        database.script(&format!("CREATE TABLE {next} (a int)")).await;
        folder.write("sales.toml", &sales("premake = 1", ""));
        database.script("UPDATE datamart.marts SET declared = jsonb_set(declared, '{partition,premake}', '1')").await;
        let run = refreshed(&database, &folder).await;
        let message = run.error.expect("an error").message;
        assert!(message.contains(&format!("public.{next} exists and is no partition of public.sales")), "{message}");
        // Others are looked after all the same.
        let readied = keep_partitions(&database.endpoint, &refresh_options()).await.expect("it goes");
        assert_eq!(readied.failed.len(), 1, "{readied:?}");
        assert_eq!(readied.failed[0].0.to_string(), "public.sales");
        assert_eq!(database.value(WRONG).await, "0");
    });
}

/// Who may read a partition alone: nobody where the mart's grants are declared, else whoever could before.
#[test]
fn rights_on_partitions_outlive_an_exchange() {
    run(async {
        let grants = "[[grants]]\nrole = \"public\"\nprivileges = [\"SELECT\"]\n";
        for (grants, can) in [("", "true"), (grants, "false")] {
            let database = Database::new().await;
            let role = format!("{}_reader", database.name);
            database.script(ORDERS).await;
            database.script(&format!("CREATE ROLE {role}")).await;
            let folder = Folder::of(&[("sales.toml", &*sales("", grants))]);
            converge(&database, folder.path(), &plan::Options::default()).await;
            let old = database.value(OLD).await;
            let given = format!(
                "SELECT has_table_privilege('{role}', '{old}', 'SELECT') AND NOT has_table_privilege('{role}', '{old}', 'INSERT')"
            );
            database
                .script(&format!(
                    "GRANT SELECT ON {old} TO {role}; ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO {role}"
                ))
                .await;
            database.script("UPDATE orders SET amount = 1000 WHERE day = current_date - 100; INSERT INTO orders VALUES (current_date + 300, 'DE', 1)").await;
            let before = database.value(&format!("SELECT '{old}'::regclass::oid")).await;
            let run = refreshed(&database, &folder).await;
            assert_eq!((run.status, run.method), (RunStatus::Success, Some(Method::Exchange)), "{run:#?}");
            assert_ne!(database.value(&format!("SELECT '{old}'::regclass::oid")).await, before);
            assert_eq!(database.value(&given).await, can);
            let new = "SELECT tableoid::regclass FROM sales WHERE day = current_date + 300";
            let new = database.value(new).await;
            let open = database.value(&format!("SELECT has_table_privilege('{role}', '{new}', 'INSERT')")).await;
            // What nobody declared is what the database gives.
            assert_eq!(open, can);
            database.script(&format!("ALTER DEFAULT PRIVILEGES REVOKE INSERT ON TABLES FROM {role}; DROP OWNED BY {role}; DROP ROLE {role}")).await;
        }
    });
}
