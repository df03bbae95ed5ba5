//! Keys, roles, and what bounds the rows: retention, and rows that are history.

use datamart::plan::{HazardKind, Options};
use datamart::refresh::Method;

use super::shop::{BY_REGION, ORDERS, Shop};
use crate::support::database::run;
use crate::support::project;

/// One row for each order, without grouping.
fn each(columns: &str) -> String {
    format!("SELECT {columns} FROM orders WHERE amount < 100")
}

#[test]
fn rows_are_merged_by_a_key() {
    run(async {
        let query = each("id, amount AS place");
        let more = "primary_key = [\"id\"]\nindexes = [{ columns = [\"place\"], unique = true }]";
        let shop = Shop::of(ORDERS, &query, more).await;
        shop.refreshed().await;
        shop.script("UPDATE orders SET amount = 50 WHERE id = 1; DELETE FROM orders WHERE id = 2; INSERT INTO orders VALUES (30, 'x', 30)").await;
        assert_eq!(shop.follows().await, [1, 1, 1]);
        // Two rows exchange a value that is unique.
        shop.script("UPDATE orders SET amount = 7 - amount WHERE id IN (3, 4)").await;
        assert_eq!(shop.follows().await, [2, 0, 2]);
        shop.nothing().await;
    });
}

#[test]
fn rows_without_a_key_are_multisets() {
    run(async {
        let query = each("id, region, 1 AS one");
        let query = query.replace("FROM orders", "FROM orders, generate_series(1, (id % 3)::int)");
        let shop = Shop::of(ORDERS, &query, "").await;
        shop.refreshed().await;
        shop.script("UPDATE orders SET region = 'x' WHERE id = 5; UPDATE orders SET id = 20 WHERE id = 8; DELETE FROM orders WHERE id = 1").await;
        assert_eq!(shop.follows().await, [4, 0, 5]);
        shop.nothing().await;
    });
}

#[test]
fn a_mart_s_owner_needs_no_right_to_the_logs() {
    run(async {
        let seed = format!(
            "DROP ROLE IF EXISTS following_owner; CREATE ROLE following_owner; {ORDERS} GRANT SELECT ON orders TO following_owner;
             GRANT USAGE, CREATE ON SCHEMA public TO following_owner;"
        );
        let shop = Shop::of(&seed, BY_REGION, "owner = \"following_owner\"").await;
        shop.refreshed().await;
        shop.script("INSERT INTO orders VALUES (9, 'north', 5)").await;
        assert_eq!(shop.follows().await, [1, 0, 1]);
        shop.script("REVOKE SELECT ON orders FROM following_owner; INSERT INTO orders VALUES (10, 'north', 5)").await;
        let run = shop.refreshed().await;
        assert_eq!(run.error.map(|error| error.kind).as_deref(), Some("privilege"));
        shop.script("DROP OWNED BY following_owner; DROP ROLE following_owner").await;
    });
}

const DAYS: &str = "CREATE TABLE orders (id int PRIMARY KEY, day date, amount numeric NOT NULL);
    INSERT INTO orders SELECT n, current_date - n, n FROM generate_series(0, 9) AS n;";

const BY_DAY: &str = "SELECT day, count(*) AS n FROM orders GROUP BY day";

#[test]
fn what_is_too_old_goes() {
    run(async {
        let shop =
            Shop::of(DAYS, BY_DAY, "primary_key = [\"day\"]\n[retention]\ncolumn = \"day\"\nkeep = \"6 days\"").await;
        shop.refreshed().await;
        shop.script("INSERT INTO orders VALUES (20, current_date - 8, 1), (21, current_date, 1)").await;
        assert_eq!(shop.follows().await, [0, 1, 0]);
        // As time passes.
        shop.script(
            "UPDATE mart SET day = current_date - 7 WHERE day = current_date - 6; DELETE FROM orders WHERE id = 6",
        )
        .await;
        assert_eq!(shop.follows().await, [0, 0, 1]);
    });
}

/// Applies another word of the manifest.
async fn says(shop: &Shop, was: &str, is: &str) {
    let said = std::fs::read_to_string(shop.folder.path().join("mart.toml")).expect("the manifest");
    assert!(said.contains(was), "{said}");
    shop.folder.write("mart.toml", &said.replace(was, is));
    project::converge(&shop.database, shop.folder.path(), &Options::default()).await;
}

#[test]
fn what_is_kept_for_longer_comes_back() {
    run(async {
        let rows = "primary_key = [\"day\"]\n[retention]\ncolumn = \"day\"\nkeep = \"6 days\"";
        let shop = Shop::of(DAYS, BY_DAY, rows).await;
        shop.refreshed().await;
        says(&shop, "6 days", "3 days").await;
        let run = shop.refreshed().await;
        assert_eq!((run.method, run.row_count), (Some(Method::Changes), Some(4)), "{run:#?}");
        says(&shop, "3 days", "8 days").await;
        shop.forced("nothing says").await;
        assert_eq!(shop.value("SELECT count(*) FROM mart").await, "9");
        // Together with another name, too.
        says(&shop, "8 days", "2 days").await;
        shop.refreshed().await;
        let said = std::fs::read_to_string(shop.folder.path().join("mart.toml")).expect("the manifest");
        let said = format!("name = \"other\"\nrenamed_from = [\"mart\"]\n{}", said.replace("2 days", "5 days"));
        shop.folder.write("mart.toml", &said);
        project::converge(&shop.database, shop.folder.path(), &Options::default()).await;
        shop.forced("nothing says").await;
    });
}

#[test]
fn what_is_not_frozen_any_more_is_computed() {
    run(async {
        let more = "primary_key = [\"day\"]\n[refresh.incremental]\nmethod = \"changes\"\ntime_column = \"day\"\nfrozen_before = \"2 days\"";
        let shop = Shop::of(DAYS, BY_DAY, more).await;
        shop.refreshed().await;
        shop.script("INSERT INTO orders VALUES (20, current_date - 5, 1)").await;
        shop.refreshed().await;
        assert_eq!(shop.value("SELECT n FROM mart WHERE day = current_date - 5").await, "1");
        says(&shop, "2 days", "8 days").await;
        shop.forced("nothing says").await;
    });
}

#[test]
fn what_is_frozen_stays() {
    run(async {
        let more = "primary_key = [\"day\"]\n[refresh.incremental]\nmethod = \"changes\"\ntime_column = \"day\"\nfrozen_before = \"5 days\"";
        let shop = Shop::of(DAYS, BY_DAY, more).await;
        shop.refreshed().await;
        // The source is purged; what the mart has of it stays, whatever computes its rows.
        shop.script("DELETE FROM orders WHERE day < current_date - 3; INSERT INTO orders VALUES (20, current_date, 1)")
            .await;
        let run = shop.refreshed().await;
        assert_eq!((run.rows_inserted, run.rows_updated, run.rows_deleted), (Some(0), Some(1), Some(2)), "{run:#?}");
        assert_eq!(shop.value("SELECT count(*) FROM mart").await, "8");
        let run = shop.whole().await;
        assert_eq!(run.row_count, Some(8), "{run:#?}");
        shop.nothing().await;
        // Another query would compute it from what is left, and is let through by nobody's oversight.
        let said = std::fs::read_to_string(shop.folder.path().join("mart.toml")).expect("the manifest");
        shop.folder.write("mart.toml", &said.replace(BY_DAY, &BY_DAY.replace("SELECT ", "SELECT 1 AS one, ")));
        let mut conn = shop.database.session().await;
        let desired = project::load(shop.folder.path());
        let plan = project::plan(&mut conn, &desired, &Options::default()).await.expect("a plan");
        let hazards: Vec<_> =
            plan.changes.iter().flat_map(|change| &change.hazards).map(|hazard| hazard.kind).collect();
        assert!(hazards.contains(&HazardKind::DeletesData), "{hazards:?}");
    });
}

#[test]
fn a_mart_is_compared_but_for_what_waits() {
    run(async {
        let shop = Shop::new("").await;
        let same = shop.verified(None).await;
        assert_eq!((same.same, same.rows, same.expected, same.pending_keys), (true, 4, 4, Some(0)), "{same:#?}");
        shop.script("INSERT INTO orders VALUES (9, 'north', 5); DELETE FROM orders WHERE region IS NULL").await;
        let waits = shop.verified(None).await;
        assert_eq!((waits.same, waits.rows, waits.expected, waits.pending_keys), (true, 2, 2, Some(2)), "{waits:#?}");
        shop.script("UPDATE mart SET n = 7 WHERE region IN ('south', 'north')").await;
        let wrong = shop.verified(None).await;
        assert_eq!((wrong.same, wrong.missing, wrong.extra), (false, 1, 1), "{wrong:#?}");
        assert_eq!(wrong.extra_sample, [serde_json::json!({ "region": "south", "n": 7, "total": 6 })]);
        let parts = [shop.verified(Some(50.0)).await, shop.verified(Some(0.01)).await];
        assert!(parts.iter().all(|part| part.rows <= 2 && part.pending_keys == Some(2)), "{parts:#?}");
    });
}
