//! `examples/sales_refresh`: an ingest that ends with a refresh, a window that is exact within and silent beyond, a full one.

use std::process::Command;

use super::Example;
use crate::cli::rig::Out;

const MARTS: [&str; 8] = [
    "mv_category_sales_summary",
    "mv_daily_sales_summary",
    "mv_hourly_sales_pattern",
    "mv_location_performance",
    "mv_order_type_performance",
    "mv_payment_methods_by_source",
    "mv_product_location_sales",
    "mv_product_sales_summary",
];

/// Runs the ingest script as a user does.
fn ingest(example: &Example, args: &[&str]) -> Out {
    let mut command = Command::new(example.path().join("ingest.sh"));
    let ours = example.command(&[]);
    command.env_clear().envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("DATAMART", ours.get_program()).args(args);
    example.finish(command)
}

/// How many rows of each mart are not what the orders say.
fn wrong(example: &Example) -> String {
    let wrong = example.sql(&[DAILY, HOURLY, TYPES, PLACES, PAYMENTS, PRODUCTS, PRODUCTS_PLACES, CATEGORIES]);
    wrong.replace('\n', " ").trim().to_owned()
}

fn all(status: &str, method: &str) -> Vec<String> {
    MARTS.iter().map(|name| format!("public.{name} {status} {method}")).collect()
}

#[test]
fn sales_follow_each_ingest() {
    let mut example = Example::of("sales_refresh", "SET example.orders = '6000'");
    example.apply();
    assert_eq!(wrong(&example), "0 0 0 0 0 0 0 0");
    let first = ingest(&example, &[]).done();
    assert!(first.stdout.starts_with("Took over 42 orders.\n"), "{first}");
    assert!(
        first.stdout.trim_end().lines().last().is_some_and(|line| line.starts_with("Refreshed 8 marts in ")),
        "{first}"
    );
    assert_eq!(wrong(&example), "0 0 0 0 0 0 0 0");
    assert_eq!(example.status("freshness"), MARTS.map(|name| format!("{name} fresh")));
    // The same exports again bring nothing; and without a refresh nothing that was brought is seen.
    let again = ingest(&example, &["--skip-refresh"]).done();
    assert_eq!(again.stdout, "Took over 0 orders.\n", "{again}");
    example.sql(&[LATE, CHANGED]);
    assert_ne!(wrong(&example), "0 0 0 0 0 0 0 0");
    // Two days: what changed yesterday is seen, what came late for the day before last week is not.
    assert_eq!(example.refresh(&["--select", "orders+", "--wait"]), all("success", "window"));
    assert_eq!(example.sql(&[YESTERDAY, LAST_WEEK]), "0\n1\n");
    assert_eq!(example.refresh(&["--all", "--incremental", "--days", "14"]), all("success", "window"));
    assert_eq!(wrong(&example), "0 0 0 0 0 0 0 0");
    // What is gone everywhere is gone from the marts when all is computed again.
    example.sql(&[GONE]);
    let full = example.refresh(&["--all", "--full"]);
    assert!(full.iter().all(|run| run.contains(" success ") && !run.ends_with(" window")), "{full:?}");
    assert_eq!(wrong(&example), "0 0 0 0 0 0 0 0");
    let report = example.run(&["status", "-q"]).done();
    let ages = report.stdout.lines().filter(|line| line.starts_with("public.mv_") && line.contains(" fresh "));
    assert_eq!(ages.count(), 8, "{report}");
}

#[test]
fn an_unknown_product_stops_the_whole_ingest() {
    let example = Example::of("sales_refresh", "SET example.orders = '600'");
    let file = example.path().join("exports/doordash_orders.json");
    let text = std::fs::read_to_string(&file).expect("an export");
    std::fs::write(file, text.replacen("Burger\"", "Soup\"", 1)).expect("an export");
    let failed = ingest(&example, &["--skip-refresh"]);
    assert!(failed.code != Some(0) && failed.stderr.contains("product_id"), "{failed}");
    assert_eq!(example.sql(&["SELECT count(*) FROM orders"]), "600\n");
}

const LATE: &str = "WITH o AS (
        INSERT INTO orders (source_system, source_order_id, location_id, order_type, order_date, ordered_at, subtotal_cents, tax_cents, tip_cents)
        SELECT 'toast', 'late', 1, 'dine_in', day - 10, day - 10 + interval '12 hours', 1790, 143, 0 FROM (SELECT max(order_date) FROM orders) AS d (day)
        RETURNING order_id
    ), i AS (INSERT INTO order_items SELECT order_id, 1, 0, 2, 1790 FROM o)
    INSERT INTO payments SELECT order_id, 'cash', 1933 FROM o";

const CHANGED: &str = "UPDATE orders SET subtotal_cents = subtotal_cents + 1, location_id = 1 + location_id % 6
    WHERE order_date = (SELECT max(order_date) - 1 FROM orders)";

const GONE: &str = "WITH o AS (SELECT order_id FROM orders WHERE order_date = (SELECT min(order_date) FROM orders)),
        i AS (DELETE FROM order_items WHERE order_id IN (TABLE o)), p AS (DELETE FROM payments WHERE order_id IN (TABLE o))
    UPDATE orders SET order_date = order_date + 1 WHERE order_id IN (TABLE o)";

/// Locations whose sales of yesterday are not told.
const YESTERDAY: &str = "
    SELECT count(*) FROM (SELECT location_id, sum(subtotal_cents) AS sales FROM orders WHERE order_date = (SELECT max(order_date) - 1 FROM orders) GROUP BY 1) AS o
    FULL JOIN (SELECT location_id, sales_cents FROM mv_location_performance WHERE order_date = (SELECT max(order_date) - 1 FROM orders)) AS m USING (location_id)
    WHERE sales IS DISTINCT FROM sales_cents";

/// Orders of ten days ago that are not told.
const LAST_WEEK: &str = "
    SELECT (SELECT count(*) FROM orders WHERE order_date = day) - (SELECT sum(order_count) FROM mv_daily_sales_summary WHERE order_date = day)
    FROM (SELECT max(order_date) - 10 FROM orders) AS d (day)";

const DAILY: &str = "
    SELECT count(*) FROM (SELECT DISTINCT order_date, location_id, source_system FROM orders) AS k
    FULL JOIN mv_daily_sales_summary AS m USING (order_date, location_id, source_system)
    LEFT JOIN LATERAL (SELECT count(*) AS n, sum(subtotal_cents) AS sales, sum(tax_cents) AS tax, sum(tip_cents) AS tip FROM orders AS o
                       WHERE (o.order_date, o.location_id, o.source_system) = (k.order_date, k.location_id, k.source_system)) AS o ON true
    WHERE (m.order_count, m.sales_cents, m.tax_cents, m.tip_cents) IS DISTINCT FROM (o.n, o.sales, o.tax, o.tip) OR abs(m.avg_order_cents * o.n - o.sales) > 0.5001 * o.n
       OR m.location_name <> (SELECT name FROM locations AS l WHERE l.location_id = m.location_id)";

const HOURLY: &str = "
    SELECT count(*) FROM mv_hourly_sales_pattern AS m
    FULL JOIN (SELECT order_date, to_char(ordered_at AT TIME ZONE 'America/New_York', 'HH24')::int AS hour, location_id, count(*) AS n, sum(subtotal_cents) AS sales
               FROM orders GROUP BY 1, 2, 3) AS o USING (order_date, hour, location_id)
    WHERE (m.order_count, m.sales_cents) IS DISTINCT FROM (n, sales) OR to_char(order_date, 'ID')::int <> m.day_of_week";

const TYPES: &str = "
    SELECT count(*) FROM mv_order_type_performance AS m
    FULL JOIN (SELECT order_date, order_type, count(*) AS n, sum(subtotal_cents) AS sales, sum(tip_cents) AS tip FROM orders GROUP BY 1, 2) AS o USING (order_date, order_type)
    WHERE (m.order_count, m.sales_cents, m.tip_cents) IS DISTINCT FROM (n, sales, tip) OR abs(m.tip_pct * sales - 100 * tip) > 0.0051 * sales";

const PLACES: &str = "
    SELECT count(*) FROM mv_location_performance AS m
    FULL JOIN (SELECT order_date, location_id, count(*) AS n, sum((order_type = 'delivery')::int) AS delivered, sum(subtotal_cents) AS sales FROM orders GROUP BY 1, 2) AS o
         USING (order_date, location_id)
    LEFT JOIN (SELECT order_date, sum(subtotal_cents) AS of_day FROM orders GROUP BY 1) AS d USING (order_date)
    WHERE (m.order_count, m.delivery_count, m.sales_cents) IS DISTINCT FROM (n, delivered, sales) OR abs(m.share_pct - 100.0 * sales / of_day) > 0.0051";

const PAYMENTS: &str = "
    SELECT count(*) FROM mv_payment_methods_by_source AS m
    FULL JOIN (SELECT (SELECT order_date FROM orders AS o WHERE o.order_id = p.order_id), (SELECT source_system FROM orders AS o WHERE o.order_id = p.order_id), payment_method,
                      count(*) AS n, sum(amount_cents) AS amount
               FROM payments AS p GROUP BY 1, 2, 3) AS p USING (order_date, source_system, payment_method)
    WHERE (m.payment_count, m.amount_cents) IS DISTINCT FROM (n, amount)";

const PRODUCTS: &str = "
    SELECT count(*) FROM mv_product_sales_summary AS m
    FULL JOIN (SELECT (SELECT order_date FROM orders AS o WHERE o.order_id = i.order_id), product_id, cardinality(array_agg(DISTINCT order_id)) AS n, sum(quantity) AS sold, sum(revenue_cents) AS revenue
               FROM order_items AS i GROUP BY 1, 2) AS i USING (order_date, product_id)
    WHERE (m.order_count, m.quantity_sold, m.revenue_cents) IS DISTINCT FROM (n, sold, revenue)
       OR (m.product_name, m.category) IS DISTINCT FROM (SELECT (name, category) FROM products AS p WHERE p.product_id = m.product_id)";

const PRODUCTS_PLACES: &str = "
    SELECT count(*) FROM mv_product_location_sales AS m
    FULL JOIN (SELECT (SELECT order_date FROM orders AS o WHERE o.order_id = i.order_id), product_id, (SELECT location_id FROM orders AS o WHERE o.order_id = i.order_id),
                      sum(quantity) AS sold, sum(revenue_cents) AS revenue
               FROM order_items AS i GROUP BY 1, 2, 3) AS i USING (order_date, product_id, location_id)
    WHERE (m.quantity_sold, m.revenue_cents) IS DISTINCT FROM (sold, revenue)";

/// From the items themselves, not from the mart that the mart reads.
const CATEGORIES: &str = "
    SELECT count(*) FROM mv_category_sales_summary AS m
    FULL JOIN (SELECT (SELECT order_date FROM orders AS o WHERE o.order_id = i.order_id), (SELECT category FROM products AS p WHERE p.product_id = i.product_id),
                      cardinality(array_agg(DISTINCT product_id)) AS n, sum(quantity) AS sold, sum(revenue_cents) AS revenue
               FROM order_items AS i GROUP BY 1, 2) AS i USING (order_date, category)
    WHERE (m.products_sold, m.quantity_sold, m.revenue_cents) IS DISTINCT FROM (n, sold, revenue)";
