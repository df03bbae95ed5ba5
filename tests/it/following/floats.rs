//! Sums of floating-point numbers: the order in which they are added shows in the last digits, and nobody promises an order.

use super::shop::Shop;
use crate::support::database::run;

const SEED: &str = "CREATE TABLE orders (id int PRIMARY KEY, region text, amount float8 NOT NULL, weight real);
    INSERT INTO orders SELECT n, (ARRAY['north', 'south', 'west', NULL])[n % 4 + 1], n / 7.0, n / 3.0 FROM generate_series(1, 80) AS n;";
const QUERY: &str =
    "SELECT region, count(*) AS n, sum(amount) AS total, avg(weight)::real AS weight FROM orders GROUP BY region";
const DEMOTED: &str = "SELECT count(*) FROM datamart.positions WHERE demoted IS NOT NULL";

/// The mart with a total of another region than the one that a refresh computes.
async fn tampered(shop: &Shop, column: &str, value: &str) {
    shop.script(&format!("UPDATE mart SET {column} = {value} WHERE region = 'south'; UPDATE orders SET amount = amount + 1 WHERE region = 'north'"))
        .await;
}

#[test]
fn last_digits_are_no_difference() {
    run(async {
        let shop = Shop::of(SEED, QUERY, "").await;
        tampered(&shop, "total", "total * (1 + 4e-15)").await;
        shop.refreshed().await;
        assert_eq!(shop.value(DEMOTED).await, "0");
        let compared = shop.verified(None).await;
        assert_eq!((compared.same, compared.missing, compared.last_digits), (true, 0, Some(1)), "{compared:#?}");
        tampered(&shop, "weight", "'NaN'").await;
        let compared = shop.verified(None).await;
        assert_eq!((compared.same, compared.last_digits), (false, None), "{compared:#?}");
        shop.refreshed().await;
        assert_eq!(shop.value(DEMOTED).await, "1");
    });
}

#[test]
fn other_digits_are() {
    run(async {
        for (column, value) in [
            ("total", "total * (1 + 1e-7)"),
            ("total", "'Infinity'"),
            ("weight", "NULL"),
            ("weight", "weight * 1.01"),
            ("n", "n + 1"),
        ] {
            let shop = Shop::of(SEED, QUERY, "").await;
            tampered(&shop, column, value).await;
            shop.refreshed().await;
            assert_eq!(shop.value(DEMOTED).await, "1", "{column} = {value}");
            assert!(shop.verified(None).await.same, "{column} = {value}");
        }
    });
}
