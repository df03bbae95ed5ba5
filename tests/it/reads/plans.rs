//! What PostgreSQL makes of the view.

use super::shop::Shop;
use crate::support::database::run;

#[test]
fn few_keys_are_found_by_indexes() {
    run(async {
        let shop = Shop::new().await;
        shop.script(
            "INSERT INTO orders SELECT n, 'region ' || n % 2000, timestamp '2020-01-01' + n * interval '1 hour' FROM generate_series(1000, 21000) AS n;
             INSERT INTO lines SELECT n, n % 20000 + 1000, 1 FROM generate_series(1000, 61000) AS n; ANALYZE",
        )
        .await;
        shop.refresh().await;
        shop.script(
            "ANALYZE; INSERT INTO lines SELECT n, n * 7 % 20000 + 1000, 1 FROM generate_series(100000, 100100) AS n",
        )
        .await;
        for query in [
            "SELECT * FROM public.mart WHERE region = 'region 7'",
            "SELECT * FROM public.mart WHERE day = '2021-01-01'",
        ] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {query}"));
            let mut conn = shop.database.session().await;
            let plan: serde_json::Value = sqlx::query_scalar(explain).fetch_one(&mut conn).await.unwrap();
            let read = scanned(&plan[0]["Plan"]);
            assert!(read < 3_000.0, "{query}: {read} rows\n{plan:#}");
        }
    });
}

/// The rows that scans gave and threw away, of the mart's rows and of the larger of its sources.
fn scanned(plan: &serde_json::Value) -> f64 {
    let number = |key: &str| plan[key].as_f64().unwrap_or_default();
    let scan = ["mart_v1", "lines"].contains(&plan["Relation Name"].as_str().unwrap_or_default());
    let rows =
        if scan { (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops") } else { 0.0 };
    rows + plan["Plans"].as_array().into_iter().flatten().map(scanned).sum::<f64>()
}
