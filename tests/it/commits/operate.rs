//! Applies, refreshes, drift and removal beside writers.

use std::cell::Cell;

use datamart::plan::{self, Heal};
use datamart::refresh::How;

use super::shop::{BY_KIND, BY_REGION, Shop, TOTALS, done};
use crate::cli::rig;
use crate::support::database::run;

#[test]
fn what_keeps_marts_goes_with_the_last_of_them() {
    run(async {
        let shop = Shop::new(&[BY_KIND, TOTALS]).await;
        let left = "SELECT count(*) FROM (SELECT proname FROM pg_proc WHERE proname LIKE 'commits\\_%' UNION ALL SELECT relname FROM pg_class WHERE relname LIKE 'commits\\_%') AS l";
        assert_ne!(shop.value(left).await, "0");
        std::fs::remove_file(shop.folder.path().join("totals.toml")).unwrap();
        shop.apply_with(&plan::Options { prune: true, ..plan::Options::default() }).await;
        shop.script("INSERT INTO orders VALUES (100, 1, 'k1', 5)").await;
        shop.is_exact("one of them is gone").await;
        shop.folder.write("by_kind.toml", &format!("type = \"table\"\n{}\n", BY_KIND.1));
        shop.apply().await;
        assert_eq!(shop.value(left).await, "0");
        assert!(shop.plan().await.changes.is_empty());
        let before = shop.rows("by_kind").await;
        shop.script("INSERT INTO orders VALUES (101, 1, 'k1', 5)").await;
        assert_eq!(shop.rows("by_kind").await, before);
        // What it missed meanwhile is there once it is kept again.
        shop.declare(BY_KIND.0, BY_KIND.1);
        shop.apply().await;
        shop.is_exact("kept again").await;
        shop.script("DELETE FROM orders WHERE id = 101").await;
        shop.is_exact("the next commit").await;
    });
}

#[test]
fn what_was_changed_by_hand_is_told_and_put_back() {
    run(async {
        let shop = Shop::new(&[BY_KIND]).await;
        let table = shop.value("SELECT relname FROM pg_class WHERE relname ~ '^commits_[0-9a-f]{8}$'").await;
        let heal = plan::Options { heal: Heal::All, ..plan::Options::default() };
        for (what, sql) in [
            ("the trigger is off", format!("ALTER TABLE datamart.{table} DISABLE TRIGGER ALL")),
            ("the trigger is gone", format!("DROP TRIGGER {table} ON datamart.{table}")),
            (
                "the function does nothing",
                format!(
                    "CREATE OR REPLACE FUNCTION datamart.{table}__public_by_kind_{{hash}}(datamart_me xid8) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN END'"
                ),
            ),
            ("an index is gone", "DROP INDEX datamart.changes_default_public_orders_0_datamart_xid_idx".to_owned()),
        ] {
            let function =
                shop.value(&format!("SELECT proname FROM pg_proc WHERE starts_with(proname, '{table}__')")).await;
            let sql = sql.replace(&format!("{table}__public_by_kind_{{hash}}"), &function);
            shop.script(&sql).await;
            let plan = shop.plan().await;
            assert!(plan.changes.is_empty() && plan.drift.len() == 1, "{what}: {:#?} {:#?}", plan.changes, plan.drift);
            shop.script("INSERT INTO orders SELECT max(id) + 1, 1, 'k1', 5 FROM orders").await;
            shop.apply_with(&heal).await;
            shop.is_exact(what).await;
            shop.script("INSERT INTO orders SELECT max(id) + 1, 1, 'k2', 5 FROM orders").await;
            shop.is_exact("the next commit").await;
            let plan = shop.plan().await;
            assert!(plan.changes.is_empty() && plan.drift.is_empty(), "{what}: {:#?} {:#?}", plan.changes, plan.drift);
        }
    });
}

#[test]
fn marts_are_changed_beside_writers() {
    run(async {
        let shop = Shop::new(&[BY_KIND, BY_REGION]).await;
        let running = Cell::new(true);
        let writer = async |number: u32| {
            let mut conn = shop.session().await;
            let mut round = 0;
            while running.get() {
                round += 1;
                let id = 1_000 + number * 1_000_000 + round;
                done(&mut conn, &format!("INSERT INTO orders VALUES ({id}, {}, 'k{}', 1)", round % 9, round % 4)).await;
                done(&mut conn, &format!("UPDATE customers SET region = 'r{}' WHERE id = {number}", round % 5)).await;
            }
            round
        };
        let changes = async || {
            // Rows that somebody damaged are right again after a refresh.
            shop.script("UPDATE by_kind SET n = -1").await;
            shop.refreshed(How::Full).await;
            shop.is_exact("damaged and refreshed").await;
            let wider = "query = \"SELECT kind, count(*) AS n, sum(amount) AS total, min(id) AS first FROM orders GROUP BY kind\"\nprimary_key = [\"kind\"]";
            shop.declare("by_kind", wider);
            shop.apply().await;
            shop.is_exact("another query").await;
            shop.declare(TOTALS.0, TOTALS.1);
            shop.apply().await;
            shop.is_exact("a mart on it").await;
            shop.declare("by_kind", BY_KIND.1);
            shop.apply().await;
            shop.is_exact("the query as it was").await;
            running.set(false);
        };
        let (one, other, ()) = tokio::join!(writer(1), writer(2), changes());
        assert!(one > 5 && other > 5, "{one} and {other} rounds");
        shop.is_exact("in the end").await;
    });
}

/// A role that owns the marts and little else.
#[test]
fn marts_of_another_owner_are_kept_as_it() {
    run(async {
        let shop = Shop::new(&[]).await;
        let role = format!("keeper_{}", shop.database.name);
        shop.script(&format!(
            "CREATE ROLE {role}; GRANT CREATE, USAGE ON SCHEMA public TO {role}; GRANT SELECT ON orders, customers TO {role};
             CREATE ROLE {role}_w LOGIN; GRANT INSERT ON orders TO {role}_w; GRANT USAGE ON SCHEMA public TO {role}_w"
        ))
        .await;
        shop.declare("by_kind", &format!("owner = \"{role}\"\n{}", BY_KIND.1));
        shop.declare("by_region", &format!("owner = \"{role}\"\n{}", BY_REGION.1));
        shop.apply().await;
        let mut conn = shop.session().await;
        done(
            &mut conn,
            &format!("SET ROLE {role}_w; SET DateStyle = 'German'; INSERT INTO orders VALUES (100, 1, 'k1', 5)"),
        )
        .await;
        shop.is_exact("a writer who may not read").await;
        assert!(shop.plan().await.changes.is_empty());
        let owner = format!(
            "SELECT count(*) FROM pg_proc WHERE proname LIKE 'commits\\_%\\_\\_%' AND pg_get_userbyid(proowner) = '{role}'"
        );
        assert_eq!(shop.value(&owner).await, "2");
        let may = format!("SELECT has_schema_privilege('{role}', 'datamart', 'CREATE')");
        assert_eq!(shop.value(&may).await, "false");
    });
}

/// What a refresh has not looked at is in the rows all the same.
#[test]
fn a_mart_that_is_kept_is_of_now() {
    run(async {
        let shop = Shop::new(&[BY_KIND]).await;
        shop.refreshed(How::AsDeclared).await;
        shop.script("INSERT INTO orders VALUES (100, 1, 'k1', 5); UPDATE datamart.refreshes SET started_at = started_at - interval '3 days'").await;
        let mut command = rig::bare(shop.folder.path(), &["status", "--format", "json", "--dir", "."]);
        command.env("DATABASE_URL", shop.database.endpoint.url());
        let told = rig::finish(command, shop.folder.path()).done().stdout;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let mart = told.pointer("/marts/0").unwrap_or(&told);
        assert_eq!(mart["following"]["pending"], 0, "{told:#}");
        assert_eq!((&mart["freshness"], &mart["ages"]["snapshot"]), (&"fresh".into(), &0.into()), "{told:#}");
    });
}
