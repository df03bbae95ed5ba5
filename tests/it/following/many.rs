//! Changes that are many: some of them tell whether all rows are better computed.

use super::shop::Shop;
use crate::support::database::run;

const VISITS: &str = "CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY, placed timestamptz NOT NULL, amount numeric NOT NULL DEFAULT 1);
    INSERT INTO orders (placed) SELECT timestamptz '2025-01-01 00:00+00' + n * interval '172.8 s' FROM generate_series(0, 149999) AS n;
    CREATE INDEX ON orders (placed); ANALYZE orders;";

const BY_DAY: &str = "SELECT date_trunc('day', placed) AS day, count(*) AS n FROM orders GROUP BY 1";

/// All of one day but a few, which hardly any choice of some would find.
#[test]
fn all_of_many_changes_are_seen() {
    run(async {
        let shop = Shop::of(VISITS, BY_DAY, "primary_key = [\"day\"]").await;
        shop.script(
            "INSERT INTO orders (placed) SELECT timestamptz '2025-05-05 01:00+00' + n * interval '1 s' FROM generate_series(1, 25000) AS n;
             INSERT INTO orders (placed) SELECT timestamptz '2025-06-05 01:00+00' + n * interval '10 d' FROM generate_series(1, 7) AS n",
        )
        .await;
        assert_eq!(shop.follows().await, [0, 8, 0]);
        shop.nothing().await;
    });
}

#[test]
fn some_of_many_changes_decide() {
    run(async {
        let shop = Shop::of(VISITS, BY_DAY, "primary_key = [\"day\"]").await;
        shop.script("INSERT INTO orders (placed) SELECT placed + interval '1 s' FROM orders WHERE id % 7 = 0").await;
        shop.forced("computing ").await;
        let decided = "SELECT reason LIKE '% of many cost%' AND decision ->> 'rung' = 'whole' AND decision -> 'keys' IS NULL FROM datamart.refreshes ORDER BY run DESC LIMIT 1";
        assert_eq!(shop.value(decided).await, "true");
        shop.nothing().await;
    });
}

/// Nobody met the type of the key before the keys came.
#[test]
fn a_key_may_be_of_any_type() {
    run(async {
        let seed = "CREATE TYPE mood AS ENUM ('good', 'bad');
            CREATE TABLE people (id int PRIMARY KEY, mood mood NOT NULL);
            CREATE TABLE orders (id int PRIMARY KEY, person int NOT NULL);
            INSERT INTO people VALUES (1, 'good'), (2, 'bad'); INSERT INTO orders SELECT n, 1 + n % 2 FROM generate_series(1, 9) AS n;";
        let query = "SELECT p.mood, count(*) AS n FROM orders o JOIN people p ON p.id = o.person GROUP BY p.mood";
        let shop = Shop::of(seed, query, "").await;
        shop.script("INSERT INTO orders VALUES (10, 2)").await;
        assert_eq!(shop.follows().await, [1, 0, 1]);
    });
}

/// New orders come with their lines: neither is looked for among all rows.
#[test]
fn rows_that_come_with_what_they_join_are_few() {
    run(async {
        let seed = "CREATE TABLE heads (id int PRIMARY KEY, customer int NOT NULL, placed date NOT NULL);
            CREATE TABLE lines (head int NOT NULL, line int NOT NULL, price int NOT NULL, PRIMARY KEY (head, line));
            INSERT INTO heads SELECT n, n % 20000, date '2026-01-01' + n % 90 FROM generate_series(1, 60000) AS n;
            INSERT INTO lines SELECT 1 + n % 60000, n / 60000, n % 100 FROM generate_series(0, 179999) AS n;
            CREATE INDEX ON heads (customer); ANALYZE heads, lines;";
        let query = "SELECT h.customer, count(*) AS n, sum(l.price) AS total, max(h.placed) AS last FROM lines AS l JOIN heads AS h ON h.id = l.head GROUP BY 1";
        let shop = Shop::of(seed, query, "primary_key = [\"customer\"]").await;
        shop.script(
            "INSERT INTO heads SELECT n, n % 40, date '2026-05-05' FROM generate_series(60001, 60150) AS n;
             INSERT INTO lines SELECT n, i, 1 FROM generate_series(60001, 60150) AS n, generate_series(1, 3) AS i",
        )
        .await;
        assert_eq!(shop.follows().await, [0, 40, 0]);
        // What was joined goes from both sides at once.
        shop.script("DELETE FROM heads WHERE id > 60100; DELETE FROM lines WHERE head > 60100").await;
        assert_eq!(shop.follows().await, [0, 40, 0]);
        shop.nothing().await;
    });
}

/// Of an expression the planner expects few rows.
#[test]
fn keys_that_are_all_rows_cost_as_much() {
    run(async {
        let seed = format!("{VISITS} INSERT INTO orders (placed) SELECT placed FROM orders; ANALYZE orders");
        let query = "SELECT id % 3 AS third, count(*) AS n FROM orders GROUP BY 1";
        let shop = Shop::of(&seed, query, "primary_key = [\"third\"]").await;
        shop.script("INSERT INTO orders (placed) VALUES (now())").await;
        assert_eq!(shop.follows().await, [0, 1, 0]);
        shop.script("INSERT INTO orders (placed) SELECT now() FROM generate_series(1, 3)").await;
        shop.forced("computing 3 keys costs ").await;
    });
}

/// Each day gets a row: that all of them are cheaper is known after two times.
#[test]
fn what_was_dear_is_not_looked_for_again() {
    run(async {
        let more = "INSERT INTO orders (placed) SELECT placed + interval '43.2 s' FROM orders";
        let shop = Shop::of(&format!("{VISITS} {more}; ANALYZE orders"), BY_DAY, "primary_key = [\"day\"]").await;
        let each_day = format!("{more} WHERE id % 300 = 7");
        let decided = "SELECT concat_ws(' ', decision ->> 'rung', decision ->> 'learned', decision ->> 'ratio' > '0.7', decision -> 'keys' IS NULL)
                       FROM datamart.refreshes ORDER BY run DESC LIMIT 1";
        for _ in 0..2 {
            shop.script(&each_day).await;
            shop.forced("computing ").await;
        }
        shop.script(&each_day).await;
        shop.forced("the keys of ").await;
        assert_eq!(shop.value(decided).await, "whole true t t");
        // Of few changes the keys are looked for, and then of many, too.
        shop.script("INSERT INTO orders (placed) VALUES ('2025-05-05 10:00+00')").await;
        assert_eq!(shop.follows().await, [0, 1, 0]);
        shop.script(&each_day).await;
        shop.forced("computing ").await;
    });
}
