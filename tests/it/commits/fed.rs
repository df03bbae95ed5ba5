//! Marts that follow changes, and are read by one that writers keep: their refresh is a writer of it.

use datamart::refresh::{How, RunStatus};

use super::shop::Shop;
use crate::support::database::run;
use crate::support::project;

/// It holds the locks of what writers keep until its end, which others in the same transaction would put off.
#[test]
fn what_feeds_it_goes_by_itself() {
    run(async {
        let shop = Shop::new(&[]).await;
        let incremental = |name: &str, manifest: &str| {
            let manifest = format!("type = \"table\"\n{manifest}\n[refresh]\nstrategy = \"incremental\"\n");
            shop.folder.write(&format!("{name}.toml"), &manifest);
        };
        let large = "query = \"SELECT id, kind, amount FROM orders WHERE amount > 10\"\nprimary_key = [\"id\"]";
        let by = |of: &str| {
            format!("query = \"SELECT kind, count(*) AS n FROM {of} GROUP BY kind\"\nprimary_key = [\"kind\"]")
        };
        incremental("large", large);
        incremental("by_kind", &by("large"));
        incremental("by_n", "query = \"SELECT n, count(*) AS kinds FROM by_kind GROUP BY n\"\nprimary_key = [\"n\"]");
        shop.declare("kept", &by("large"));
        shop.apply().await;
        shop.refreshed(How::AsDeclared).await;
        let desired = project::load(shop.folder.path());
        let mut conn = shop.session().await;
        let items = project::items(&mut conn, &desired).await;
        let along: Vec<(&str, bool)> = items.iter().map(|item| (item.mart.name.as_str(), item.goes_along())).collect();
        assert_eq!(along, [("large", false), ("by_kind", true), ("by_n", true), ("kept", false)]);
        shop.script("INSERT INTO orders VALUES (100, 1, 'k1', 50)").await;
        for run in shop.refreshed(How::AsDeclared).await {
            assert!(matches!(run.status, RunStatus::Success | RunStatus::Noop), "{run:#?}");
        }
        shop.is_exact("refreshed").await;
    });
}

/// Writers of several sources go through a function that looks into their logs, which have the columns of the sources.
#[test]
fn columns_may_be_called_as_variables_are() {
    run(async {
        let shop = Shop::new(&[]).await;
        shop.script("ALTER TABLE orders ADD me text, ADD written text, ADD seen text, ADD again text, ADD found text; UPDATE orders SET me = kind, seen = kind").await;
        shop.declare(
            "mine",
            "query = \"SELECT me, written, seen, again, found, count(*) AS n FROM orders GROUP BY 1, 2, 3, 4, 5\"",
        );
        shop.declare("regions", "query = \"SELECT region, count(*) AS n FROM customers GROUP BY region\"");
        shop.apply().await;
        shop.script("INSERT INTO orders (id, amount, me, seen) VALUES (100, 1, 'k1', 'k7')").await;
        shop.script("UPDATE orders SET me = 'k2', written = 'x', again = '', found = 'y' WHERE id = 7; DELETE FROM orders WHERE id = 8; DELETE FROM customers WHERE id = 2").await;
        shop.is_exact("columns called as variables").await;
    });
}
