//! Where the logs do not tell everything, the query is read.

use super::shop::Shop;
use crate::support::database::run;

/// What happens, and what makes the rows readable again.
const DOUBTS: &[(&str, &str)] = &[
    (
        "a crash emptied the log",
        "TRUNCATE datamart.changes_shop_public_lines_0; DELETE FROM datamart.sentinels WHERE name = 'lines'",
    ),
    (
        "the log was made again",
        "UPDATE datamart.captures SET generation = gen_random_uuid() WHERE name = 'orders'; UPDATE datamart.sentinels s SET generation = c.generation FROM datamart.captures c WHERE c.name = s.name",
    ),
    ("nobody knows where the rows stand", "DELETE FROM datamart.positions"),
    ("it was found to be wrong", "UPDATE datamart.positions SET demoted = 'wrong'"),
    (
        "it was restored into another cluster",
        "UPDATE datamart.positions SET fingerprint = jsonb_set(fingerprint::jsonb, '{system}', '\"1\"')::text",
    ),
    ("a source was emptied", "TRUNCATE lines; INSERT INTO lines VALUES (1, 3, 5)"),
    ("a trigger is disabled", "ALTER TABLE orders DISABLE TRIGGER USER"),
    ("a trigger is gone", "DROP TRIGGER datamart_changes_shop_public_orders_update ON orders"),
    (
        "the registry had another name for a while",
        "ALTER SCHEMA datamart RENAME TO elsewhere; UPDATE orders SET region = 'x' WHERE id = 3; ALTER SCHEMA elsewhere RENAME TO datamart",
    ),
    ("a source has row security", "ALTER TABLE orders ENABLE ROW LEVEL SECURITY"),
    (
        "a column of a source has another name",
        "ALTER TABLE orders RENAME COLUMN region TO area; UPDATE orders SET area = 'x' WHERE id = 3; ALTER TABLE orders RENAME COLUMN area TO region",
    ),
];

#[test]
fn what_nobody_knows_is_read_from_the_sources() {
    run(async {
        for (what, doubt) in DOUBTS {
            let shop = Shop::new().await;
            shop.script(doubt).await;
            // What no log tells is read all the same.
            shop.script(
                "BEGIN; UPDATE lines SET amount = amount + 1;
                 DELETE FROM datamart.changes_shop_public_lines_0 WHERE datamart_xid = pg_current_xact_id(); COMMIT",
            )
            .await;
            assert!(!shop.reads_rows().await, "{what}");
            shop.is_exact(what).await;
        }
    });
}

#[test]
fn a_log_that_is_emptied_is_missed_by_older_snapshots() {
    run(async {
        let shop = Shop::new().await;
        shop.script("INSERT INTO lines VALUES (101, 1, 5)").await;
        let mut old = shop.database.session().await;
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").execute(&mut old).await.unwrap();
        shop.refresh().await;
        shop.script(
            "BEGIN; TRUNCATE datamart.changes_shop_public_lines_0;
             UPDATE datamart.captures SET files = ARRAY[pg_relation_filenode('datamart.changes_shop_public_lines_0'), files[2], files[3]] WHERE name = 'lines';
             COMMIT",
        )
        .await;
        shop.is_exact_for(&mut old, "a snapshot older than the refresh").await;
        shop.is_exact("one that is younger").await;
        assert!(shop.reads_rows().await);
    });
}

#[test]
fn more_keys_than_are_worth_asking_for_are_not_asked_for() {
    run(async {
        let shop = Shop::new().await;
        shop.script("INSERT INTO orders SELECT n, 'region ' || n, '2026-01-01' FROM generate_series(1000, 2500) AS n; INSERT INTO lines SELECT n, n, 1 FROM generate_series(1000, 2500) AS n").await;
        assert!(!shop.reads_rows().await);
        shop.is_exact("many keys").await;
    });
}
