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
