//! When the logs do not tell what a mart missed, all rows are computed, and the reason is told.

use datamart::plan;
use datamart::refresh::{Method, RunStatus};
use datamart::state::QName;

use super::shop::{BY_REGION, ORDERS, Shop, log};
use crate::support::database::run;

#[test]
fn what_moved_forces_all_rows() {
    run(async {
        let shop = Shop::new("").await;
        let trigger = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND tgtype & 4 > 0";
        let trigger = shop.value(trigger).await;
        shop.script(&format!("ALTER TABLE orders DISABLE TRIGGER {trigger}; INSERT INTO orders VALUES (20, 'x', 1)"))
            .await;
        let missing = "a trigger that logs the changes of public.orders is missing, or does not always fire";
        shop.forced(missing).await;
        shop.script("INSERT INTO orders VALUES (21, 'x', 1)").await;
        shop.forced(missing).await;
        shop.script(&format!("ALTER TABLE orders ENABLE ALWAYS TRIGGER {trigger}")).await;
        shop.forced("a trigger that logs the changes of public.orders was changed").await;
        shop.nothing().await;

        shop.script("ALTER TABLE orders ALTER amount TYPE numeric(20, 2)").await;
        shop.forced("a column of public.orders changed").await;
        shop.script("ALTER TABLE orders ADD note text").await;
        shop.nothing().await;
        shop.script("CLUSTER orders USING orders_pkey").await;
        shop.forced("public.orders was rewritten").await;
        shop.script("TRUNCATE orders").await;
        shop.forced("public.orders was emptied by TRUNCATE").await;
        assert_eq!(shop.value("SELECT count(*) FROM mart").await, "0");
    });
}

#[test]
fn a_log_that_says_nothing_forces_all_rows() {
    run(async {
        let shop = Shop::new("").await;
        // As a crash leaves it.
        shop.script("DELETE FROM datamart.changes_default_public_orders_0; DELETE FROM datamart.sentinels").await;
        let lost = "the log of public.orders is not there, or a crash or a failover emptied it";
        shop.forced(lost).await;
        // Computing all rows begins another one.
        shop.nothing().await;
        shop.script(
            "UPDATE datamart.captures SET generation = gen_random_uuid(); DELETE FROM datamart.sentinels;
             INSERT INTO datamart.sentinels SELECT project, schema, name, generation FROM datamart.captures",
        )
        .await;
        shop.forced("the log of public.orders was made anew").await;
        let log = log();
        shop.script(&plan::poison_log(&log)).await;
        shop.forced("columns of public.orders moved while it was written to").await;
        shop.nothing().await;
        shop.script(&format!("DROP TABLE {}", log.segments().map(|name| name.to_string()).join(", "))).await;
        shop.forced("the logs of its sources are not there, or of other columns").await;
    });
}

#[test]
fn another_server_or_setting_forces_all_rows() {
    run(async {
        let shop = Shop::new("").await;
        let restored =
            "UPDATE datamart.positions SET fingerprint = jsonb_set(fingerprint::jsonb, '{system}', '\"1\"')::text";
        shop.script(restored).await;
        shop.forced("the data came from another server").await;
        let another =
            "UPDATE datamart.positions SET fingerprint = jsonb_set(fingerprint::jsonb, '{settings}', '\"\"')::text";
        shop.script(another).await;
        shop.forced("a setting that its query depends on changed").await;
        shop.nothing().await;
        shop.script("DELETE FROM datamart.positions").await;
        shop.forced("nothing says which changes its rows have seen").await;
        shop.nothing().await;
    });
}

#[test]
fn a_function_forces_all_rows() {
    run(async {
        let seed =
            format!("{ORDERS} CREATE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';");
        let query = BY_REGION.replace("sum(amount)", "sum(tax(amount))");
        let shop = Shop::of(&seed, &query, "").await;
        shop.refreshed().await;
        shop.nothing().await;
        shop.script(
            "CREATE OR REPLACE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 3'",
        )
        .await;
        shop.forced("a function that its query calls changed").await;
        shop.nothing().await;
    });
}

#[test]
fn a_partition_that_comes_or_goes_forces_all_rows() {
    run(async {
        let seed = "CREATE TABLE orders (id int, region text, amount numeric NOT NULL) PARTITION BY RANGE (id);
            CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (10);
            INSERT INTO orders SELECT n, 'north', n FROM generate_series(1, 8) AS n;";
        let shop = Shop::of(seed, BY_REGION, "").await;
        let leaf = |leaf: &str| plan::attach_log(&log(), &QName::new("public", leaf)).join(";");
        let missing = "a trigger that logs the changes of public.orders is missing, or does not always fire";
        shop.script("INSERT INTO orders_1 VALUES (9, 'south', 9)").await;
        assert_eq!(shop.follows().await, [1, 0, 0]);
        shop.script("CREATE TABLE orders_2 PARTITION OF orders FOR VALUES FROM (10) TO (20)").await;
        shop.forced(missing).await;
        shop.script(&leaf("orders_2")).await;
        shop.forced("a partition of public.orders came or went").await;
        shop.script("INSERT INTO orders VALUES (11, 'south', 9)").await;
        assert_eq!(shop.follows().await, [1, 0, 1]);
        shop.script("ALTER TABLE orders DETACH PARTITION orders_2").await;
        shop.forced("a partition of public.orders came or went").await;
    });
}

#[test]
fn what_is_written_through_a_parent_forces_all_rows() {
    run(async {
        let shop = Shop::new("").await;
        shop.nothing().await;
        shop.script("CREATE TABLE everything (LIKE orders); ALTER TABLE orders INHERIT everything").await;
        shop.script("UPDATE everything SET amount = amount + 1").await;
        shop.forced("a trigger that logs the changes of public.orders is missing, or does not always fire").await;
    });
}

#[test]
fn arrays_of_any_length_are_followed() {
    run(async {
        let seed = "CREATE TABLE orders (id int PRIMARY KEY, region text, tags text[]);
            INSERT INTO orders SELECT n, 'north', ARRAY['a', 'b'] FROM generate_series(1, 40) AS n;";
        let query =
            "SELECT u.tag, count(*) AS n FROM orders AS o CROSS JOIN LATERAL unnest(o.tags) AS u (tag) GROUP BY u.tag";
        let shop = Shop::of(seed, query, "").await;
        shop.script("UPDATE orders SET tags = '{}' WHERE id = 1; UPDATE orders SET tags = '{a,b,c}' WHERE id = 2")
            .await;
        let run = shop.refreshed().await;
        assert_eq!((run.status, run.method), (RunStatus::Success, Some(Method::Changes)), "{run:#?}");
        let n = "SELECT string_agg(tag || n, ' ' ORDER BY tag) FROM mart";
        assert_eq!(shop.database.value(n).await, "a39 b39 c1");
    });
}

#[test]
fn a_value_of_an_enumeration_that_is_renamed_forces_all_rows() {
    run(async {
        let seed = "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN felt AS mood;
            CREATE TABLE orders (id int PRIMARY KEY, mood mood, felt felt, all_of mood[]);
            INSERT INTO orders SELECT n, 'sad', 'happy', '{sad,happy}' FROM generate_series(1, 9) AS n;";
        for of in ["mood::text", "felt::text", "all_of[2]::text"] {
            let shop = Shop::of(seed, &format!("SELECT id, {of} AS said FROM orders"), "primary_key = [\"id\"]").await;
            shop.nothing().await;
            shop.script("ALTER TYPE mood RENAME VALUE 'happy' TO 'glad'; ALTER TYPE mood RENAME VALUE 'sad' TO 'low'")
                .await;
            shop.forced("an enumeration that public.orders has values of changed").await;
            shop.nothing().await;
        }
    });
}

#[test]
fn many_changes_force_all_rows() {
    run(async {
        let shop = Shop::new("").await;
        shop.script(
            "ANALYZE orders; INSERT INTO orders SELECT n, 'r' || n % 2000, 1 FROM generate_series(100, 2000) AS n",
        )
        .await;
        shop.forced("more than 1,000 changes of public.orders").await;
        shop.nothing().await;
    });
}

#[test]
fn a_mart_that_is_wrong_follows_no_changes_any_more() {
    run(async {
        let shop = Shop::new("").await;
        shop.script("UPDATE mart SET n = 7 WHERE region = 'south'; INSERT INTO orders VALUES (9, 'north', 5)").await;
        let wrong = "its rows were not those of its query after a refresh by changes";
        shop.forced(wrong).await;
        shop.script("INSERT INTO orders VALUES (10, 'north', 5)").await;
        shop.forced(wrong).await;
        // Who asks for all rows by hand begins again.
        let run = shop.whole().await;
        assert_eq!((run.status, run.method.is_some_and(Method::is_whole)), (RunStatus::Success, true));
        shop.nothing().await;
        for id in 11..16 {
            shop.script(&format!("INSERT INTO orders VALUES ({id}, 'north', 5)")).await;
            assert_eq!(shop.follows().await, [1, 0, 1]);
        }
        assert_eq!(shop.value("SELECT verified || ' of ' || refreshes FROM datamart.positions").await, "3 of 5");
    });
}
