//! What a prepared transaction wrote is there once it is committed, also where a crash lost what it logged.

use datamart::plan;
use sqlx::AssertSqlSafe;

use super::shop::{BY_REGION, ORDERS, Shop};
use crate::commits::server::{crash, start};
use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::converge;

#[test]
fn what_was_prepared_before_a_crash_is_not_missed() {
    run(async {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        let mut servers = vec![start(root.path()).await];
        let database = Database { endpoint: servers[0].endpoint(), name: "postgres".to_owned() };
        let manifest = |fresh: bool| {
            format!(
                "type = \"table\"\nquery = \"{BY_REGION}\"\n[refresh]\nstrategy = \"incremental\"\nfresh = {fresh}\n"
            )
        };
        let (fresh, mart) = (manifest(true), manifest(false));
        let shop = Shop { database, folder: Folder::of(&[("fresh.toml", &fresh), ("mart.toml", &mart)]) };
        shop.script(ORDERS).await;
        converge(&shop.database, shop.folder.path(), &plan::Options::default()).await;
        for (gid, end) in [("one", "COMMIT"), ("two", "ROLLBACK")] {
            shop.script(&format!(
                "BEGIN; UPDATE orders SET amount = amount + 1 WHERE region = 'north'; PREPARE TRANSACTION '{gid}'"
            ))
            .await;
            crash(&servers[servers.len() - 1]).await;
            servers.push(start(root.path()).await);
            // Begins the logs again.
            shop.refreshed_all().await;
            shop.is_exact().await;
            shop.refreshed_all().await;
            shop.script("INSERT INTO orders SELECT max(id) + 1, 'south', 1 FROM orders").await;
            shop.refreshed_all().await;
            shop.is_exact().await;
            let mut conn = shop.database.session().await;
            sqlx::query(AssertSqlSafe(format!("{end} PREPARED '{gid}'"))).execute(&mut conn).await.expect("an end");
            let [fresh, query] = ["fresh", "(SELECT region, sum(amount) AS total FROM orders GROUP BY region)"]
                .map(|from| format!("SELECT total FROM {from} AS f WHERE region = 'north'"));
            assert_eq!(shop.value(&fresh).await, shop.value(&query).await);
            shop.refreshed_all().await;
            shop.is_exact().await;
            // From here on the logs tell everything again.
            for run in shop.refreshed_all().await {
                assert_eq!(run.reason, "nothing changed", "{run:#?}");
            }
        }
        servers.pop().expect("a server").stop().await.expect("an end");
    });
}
