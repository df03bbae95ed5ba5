//! Writers whose sessions are not as those of refreshes, and owners who may be no better.

use datamart::refresh::{How, Method};

use super::shop::{BY_DAY, BY_KIND, Shop, TOTALS, done};
use crate::support::database::run;

/// Dates as texts, which every session has its own of.
const BY_TEXT: (&str, &str) = (
    "by_text",
    "query = \"SELECT placed::date::text AS day, count(*) AS n FROM orders GROUP BY 1\"\nprimary_key = [\"day\"]",
);

#[test]
fn what_a_writer_made_for_its_session_is_not_looked_at() {
    run(async {
        let shop = Shop::new(&[BY_KIND, BY_DAY, BY_TEXT]).await;
        let mut conn = shop.session().await;
        done(
            &mut conn,
            "CREATE FUNCTION pg_temp.evil(pg_catalog.text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil''; END';
             CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.evil(VALUE)); CREATE TEMP TABLE date (a int)",
        )
        .await;
        done(&mut conn, "INSERT INTO orders VALUES (100, 1, 'k1', 5, '2026-03-04')").await;
        shop.is_exact("types of the writer's own").await;
        done(&mut conn, "SET DateStyle = 'German'; SET extra_float_digits = -5; SET lc_monetary = 'C'").await;
        done(&mut conn, "INSERT INTO orders VALUES (101, 1, 'k1', 5, '2026-03-04')").await;
        shop.is_exact("another style of dates").await;
        assert_eq!(shop.value("SELECT n FROM by_text WHERE day = '2026-03-04'").await, "2");
    });
}

#[test]
fn a_function_runs_as_its_owner_or_not_at_all() {
    run(async {
        let shop = Shop::new(&[]).await;
        let role = format!("owner_{}", shop.database.name);
        let rights = "GRANT CREATE, USAGE ON SCHEMA public TO {role}; GRANT SELECT ON orders TO {role}";
        shop.script(&format!("CREATE ROLE {role}; {}", rights.replace("{role}", &role))).await;
        shop.declare("by_kind", &format!("owner = \"{role}\"\n{}", BY_KIND.1));
        shop.apply().await;
        let function = "SELECT oid::regprocedure FROM pg_proc WHERE proname LIKE 'commits\\_%\\_\\_%'";
        let function = shop.value(function).await;
        shop.script(&format!("SET ROLE {role}; ALTER FUNCTION {function} SECURITY INVOKER SET search_path = public"))
            .await;
        let before = shop.rows("by_kind").await;
        shop.script("INSERT INTO orders VALUES (100, 1, 'k1', 5)").await;
        assert_eq!(shop.rows("by_kind").await, before, "it runs as whoever calls it");
        assert_eq!(shop.plan().await.drift.len(), 1);
        shop.refreshed(How::AsDeclared).await;
        shop.is_exact("refreshed").await;
        // Another name is the same role.
        shop.script(&format!("SET ROLE {role}; ALTER FUNCTION {function} SECURITY DEFINER")).await;
        shop.script(&format!("ALTER ROLE {role} RENAME TO {role}_too; INSERT INTO orders VALUES (101, 1, 'k1', 5)"))
            .await;
        shop.is_exact("renamed").await;
    });
}

#[test]
fn a_key_that_goes_from_one_range_to_another_stays() {
    run(async {
        let tops = (
            "tops",
            "query = \"SELECT date_trunc('day', placed) AS day, max(id) AS top, count(*) AS n FROM orders GROUP BY 1\"\n\
             primary_key = [\"top\"]\n[[indexes]]\ncolumns = [\"day\"]\nunique = true",
        );
        let shop = Shop::new(&[tops]).await;
        for day in ["2026-01-02", "2026-01-11", "2026-02-01"] {
            shop.script(&format!("UPDATE orders SET placed = '{day}' WHERE id = 40")).await;
            shop.is_exact(day).await;
        }
    });
}

#[test]
fn what_others_are_kept_by_is_not_exchanged() {
    run(async {
        let shop = Shop::new(&[]).await;
        shop.folder.write("by_kind.toml", &format!("type = \"table\"\npublish = \"swap\"\n{}\n", BY_KIND.1));
        shop.declare(TOTALS.0, TOTALS.1);
        shop.apply().await;
        shop.script("INSERT INTO orders VALUES (100, 1, 'k1', 5)").await;
        let runs = shop.refreshed(How::AsDeclared).await;
        let of_kind = runs.iter().find(|run| run.mart == "public.by_kind").and_then(|run| run.method);
        assert_eq!(of_kind, Some(Method::Merge), "{runs:#?}");
        shop.is_exact("refreshed").await;
    });
}
