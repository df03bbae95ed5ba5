//! Refreshes by changes on a real server: what they write, and when all rows are computed instead.

mod alone;
mod broken;
mod chain;
mod equal;
mod floats;
mod forced;
mod limits;
mod many;
mod moving;
mod pausing;
mod planner;
mod prepared;
mod shop;
mod together;
mod unchanged;
mod views;

use datamart::plan;
use datamart::refresh::{Method, RunStatus};

use self::shop::Shop;
use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::converge;

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

/// Also where the rows are stored under another name than the mart's.
#[test]
fn a_refresh_with_nothing_to_do_tells_the_figures_of_the_last_one() {
    run(async {
        let manifest = "type = \"table\"\nprimary_key = [\"id\"]
            query = \"SELECT id, placed, amount FROM orders WHERE amount > 0\"
            [freshness]\ncolumn = \"placed\"\nwarn_after = \"1 day\"
            [refresh]\nstrategy = \"incremental\"\nfresh = true\n[refresh.incremental]\nmethod = \"changes\"\n";
        let shop = Shop { database: Database::new().await, folder: Folder::of(&[("mart.toml", manifest)]) };
        shop.script("CREATE TABLE orders (id int PRIMARY KEY, placed timestamptz NOT NULL, amount numeric NOT NULL)")
            .await;
        converge(&shop.database, shop.folder.path(), &plan::Options::default()).await;
        shop.script("INSERT INTO orders SELECT n, '2026-05-05 10:00+00', 1 FROM generate_series(1, 9) AS n").await;
        let written = shop.refreshed().await;
        assert_eq!((written.status, written.rows_inserted), (RunStatus::Success, Some(9)), "{written:#?}");
        assert!(written.newest.is_some(), "{written:#?}");
        let nothing = shop.nothing().await;
        assert_eq!((&nothing.newest, nothing.row_count), (&written.newest, Some(9)));
        let bytes = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'orders'";
        assert_eq!(nothing.size_bytes.map(|bytes| bytes.to_string()), Some(shop.value(bytes).await));
        // Something is new, yet it affects no row.
        shop.script("INSERT INTO orders VALUES (10, '2026-05-06 10:00+00', 0)").await;
        assert_eq!(shop.refreshed().await.newest, written.newest);
        assert_eq!(shop.nothing().await.newest, written.newest);
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
