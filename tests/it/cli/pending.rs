//! Marts that follow what changes, as `status` and `stats` show them.

use serde_json::json;

use super::rig::Rig;

const BY_REGION: &str = "type = \"table\"\nquery = \"SELECT region, sum(amount) AS total FROM orders GROUP BY region\"\n\
                         [refresh.incremental]\nmethod = \"changes\"\n";

/// Many groups, so that it pays to compute few of them.
const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, region int, amount int);
    INSERT INTO orders SELECT n, n % 5000, 1 FROM generate_series(1, 50000) AS n; ANALYZE orders;
    CREATE INDEX ON orders (region)";

#[test]
fn what_is_pending_is_told() {
    let rig =
        Rig::of(&[("by_region.toml", BY_REGION), ("other.toml", "type = \"table\"\nquery = \"SELECT 1 AS one\"\n")]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let status = || {
        let told = rig.run(&["status", "--format", "json"]).done().json();
        let marts = told["marts"].as_array().expect("marts").clone();
        assert_eq!(marts[1]["following"], json!(null), "{told:#}");
        marts[0]["following"].clone()
    };
    let before = status();
    assert_eq!((&before["pending"], &before["log_bytes"], &before["rung"]), (&json!(0), &json!(0), &json!(null)));
    rig.sql("INSERT INTO orders VALUES (50001, 1, 1), (50002, 2, 1), (50003, 2, 1)");
    rig.sql("UPDATE orders SET region = 3 WHERE id = 50001");
    let pending = status();
    // Two regions that were inserted, the one before and the one after.
    assert_eq!((&pending["pending"], &pending["since"]), (&json!(4), &before["since"]), "{pending:#}");
    assert_eq!((&pending["log_bytes"], &pending["log_size"]), (&json!(8192), &json!("8 kB")), "{pending:#}");
    rig.run(&["refresh", "by_region", "-q"]).done();
    let seen = status();
    assert_eq!((&seen["pending"], &seen["rung"]), (&json!(0), &json!("keys")), "{seen:#}");
    assert!(seen["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0 && ratio < 0.7), "{seen:#}");
    assert!(seen["since"].as_str() > before["since"].as_str(), "{seen:#}");
    rig.sql("INSERT INTO orders SELECT n, n, 1 FROM generate_series(60001, 70001) AS n");
    let many = status();
    assert_eq!((&many["pending"], &many["more"]), (&json!(10_000), &json!(true)), "{many:#}");
    rig.sql("UPDATE datamart.positions SET demoted = 'it was wrong'");
    assert_eq!(status()["demoted"], json!("it was wrong"));
    let text = rig.run(&["status"]).done().stdout;
    assert!(text.contains("  10,000+  "), "{text}");
    assert!(text.contains("public.by_region: does not follow what changes any more: it was wrong"), "{text}");
    let text = rig.run(&["stats", "by_region"]).done().stdout;
    let since = many["since"].as_str().expect("a time").get(..10).expect("a day").to_owned();
    assert!(text.contains(&format!("pending      10,000+ since {since}")), "{text}");
    assert!(text.contains("decided      keys, costs ") && text.contains("demoted      it was wrong"), "{text}");
    rig.sql("DELETE FROM datamart.positions");
    assert_eq!(status()["pending"], json!(null));
    assert!(rig.run(&["stats", "by_region"]).done().stdout.contains("pending      all\n"));
}
