//! Refreshes by changes on a real server: what they write, and when all rows are computed instead.

mod alone;
mod broken;
mod chain;
mod floats;
mod forced;
mod limits;
mod many;
mod moving;
mod pausing;
mod planner;
mod shop;
mod together;
mod unchanged;
mod views;

use datamart::refresh::{Method, RunStatus};

use self::shop::Shop;
use crate::support::database::run;

#[test]
fn a_refresh_writes_what_changed() {
    run(async {
        let shop = Shop::new("").await;
        shop.nothing().await;
        shop.script("INSERT INTO orders VALUES (9, 'north', 5), (10, 'new', 5)").await;
        assert_eq!(shop.follows().await, [2, 0, 1]);
        shop.nothing().await;
        // Of a group with the same result nothing is written.
        shop.script("UPDATE orders SET amount = amount WHERE region = 'south'").await;
        assert_eq!(shop.follows().await, [0, 0, 0]);
        shop.script("UPDATE orders SET region = NULL WHERE id = 10; DELETE FROM orders WHERE region = 'west'").await;
        assert_eq!(shop.follows().await, [1, 0, 3]);
        let whole = shop.whole().await;
        assert!(whole.method.is_some_and(Method::is_whole), "{whole:#?}");
        let nothing = shop.nothing().await;
        assert_eq!((nothing.reason.as_str(), nothing.row_count), ("nothing changed", Some(3)));
        let kept = shop.value("SELECT decision ->> 'rung' FROM datamart.refreshes ORDER BY run DESC LIMIT 1").await;
        assert_eq!(kept, "none");
    });
}

/// What an apply filled follows changes from then on.
#[test]
fn the_first_refresh_follows_changes() {
    run(async {
        let shop = Shop::of(shop::ORDERS, shop::BY_REGION, "").await;
        assert_eq!(shop.value("SELECT count(*) FROM datamart.positions").await, "1");
        let run = shop.nothing().await;
        assert_eq!(run.status, RunStatus::Noop);
    });
}

/// A mark in a log is a row without values, which a domain may refuse; and so are the keys of rows that are not there.
#[test]
fn keys_may_be_of_domains() {
    run(async {
        let seed = "CREATE DOMAIN code AS varchar(10) NOT NULL; CREATE DOMAIN region AS code CHECK (VALUE <> '');
                    CREATE TABLE orders (id int PRIMARY KEY, region region, amount numeric NOT NULL);
                    INSERT INTO orders SELECT n, (ARRAY['north', 'south', 'west'])[n % 3 + 1], n FROM generate_series(1, 9) AS n;";
        let shop = Shop::of(seed, shop::BY_REGION, "").await;
        let log = "SELECT string_agg(DISTINCT types[1], ' ') FROM datamart.captures";
        assert_eq!(shop.value(log).await, "character varying(10)");
        shop.script("INSERT INTO orders VALUES (10, 'north', 5), (11, 'new', 5)").await;
        assert_eq!(shop.follows().await, [2, 0, 1]);
        shop.script("TRUNCATE orders; INSERT INTO orders VALUES (1, 'north', 5)").await;
        shop.refreshed().await;
        shop.is_exact().await;
        shop.script("ALTER TABLE orders RENAME region TO area; INSERT INTO orders VALUES (2, 'south', 5); UPDATE orders SET amount = 6; DELETE FROM orders WHERE id = 2")
            .await;
        shop.script("ALTER TABLE orders RENAME area TO region").await;
        shop.refreshed().await;
        shop.is_exact().await;
    });
}
