//! Bounds that move with the clock.

use datamart::sql::changes;

use super::shapes::TABLES;
use super::{derived, differences, execute, same, texts};
use crate::support::database::{Database, run};

/// Queries; `{now}` and `{today}` are the time of the refresh.
const MOVING: &[(&str, &str)] = &[
    ("week", "SELECT c_id, count(*) AS n FROM orders WHERE at >= {now} - interval '7 days' GROUP BY 1"),
    (
        "both",
        "SELECT kind, count(*) AS n FROM orders WHERE at > {now} - interval '3 days' AND at <= {now} - interval '1 day' GROUP BY 1",
    ),
    ("today", "SELECT c_id, count(*) AS n FROM orders WHERE day < {today} AND {today} - 5 <= day GROUP BY 1"),
    (
        "months",
        "SELECT kind, sum(amount) AS n FROM orders WHERE at >= date_trunc('month', {now}) - interval '1 month' GROUP BY 1",
    ),
    ("other", "SELECT kind, count(*) AS n FROM orders WHERE (day = {today} OR kind = 'a') GROUP BY 1"),
    (
        "reached",
        "SELECT c.region, count(*) AS n FROM customers c JOIN orders o ON o.c_id = c.id AND o.at > {now} - interval '2 days' GROUP BY 1",
    ),
    (
        "outer",
        "SELECT c.id, count(o.id) AS n FROM customers c LEFT JOIN orders o ON o.c_id = c.id AND o.at > {now} - interval '2 days' GROUP BY 1",
    ),
    (
        "exists",
        "SELECT c.id, c.region FROM customers c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.c_id = c.id AND o.at > {now} - interval '2 days')",
    ),
    (
        "union",
        "SELECT c_id FROM orders WHERE at > {now} - interval '2 days' UNION SELECT shop FROM sales WHERE day > {today} - 3",
    ),
];

fn at(query: &str, now: &str, today: &str) -> String {
    query.replace("{now}", now).replace("{today}", today)
}

#[test]
fn rows_that_cross_a_bound_are_found() {
    run(async {
        let database = Database::new().await;
        database.script(TABLES).await;
        let queries: Vec<(&str, String)> =
            MOVING.iter().map(|(name, query)| (*name, at(query, "now()", "current_date"))).collect();
        let texts_of: Vec<(&str, &str)> = queries.iter().map(|(name, query)| (*name, query.as_str())).collect();
        let all = derived(&database, &texts_of).await;
        let mut conn = database.session().await;
        execute(&mut conn, "SET search_path = public; SET TimeZone = 'America/Bogota'").await;
        // A row of every few hours of the last weeks and of the next days, and some of no time.
        execute(
            &mut conn,
            "INSERT INTO customers SELECT i, 'r' || i % 3, true, i FROM generate_series(1, 40) i;
             INSERT INTO orders SELECT i, i % 40, now() - i * interval '5 hours', current_date - i / 4, i, chr(97 + i % 20) FROM generate_series(-20, 240) i;
             INSERT INTO orders (id) VALUES (1);
             INSERT INTO sales SELECT i % 40, current_date - i / 3, i FROM generate_series(-20, 100) i;",
        )
        .await;
        let mut wrong = Vec::new();
        let mut moved = 0;
        for ago in ["1 second", "3 hours", "1 day", "6 days", "2 months"] {
            let since =
                texts(&mut conn, &format!("SELECT (now() - interval '{ago}')::text")).await.remove(0).expect("a time");
            let since = format!("'{since}'::timestamptz");
            for (name, query) in MOVING {
                let changes = &all[*name];
                let then = at(query, &since, &format!("({since})::date"));
                let now = at(query, "now()", "current_date");
                let different = differences(&format!("({then}) AS one"), &format!("({now}) AS other"));
                let crossed = changes::moved(changes, &since).expect("a moving bound");
                let missing = format!(
                    "SELECT count(*) FILTER (WHERE NOT EXISTS (SELECT FROM ({crossed}) AS a WHERE {}))::text, count(*)::text FROM {different} AS d",
                    same(changes, "a", "d")
                );
                let found = texts(&mut conn, &missing).await;
                moved += found[1].as_deref().and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
                if found[0].as_deref() != Some("0") {
                    wrong.push(format!("{name}, {ago}: {found:?}\n{crossed}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        assert!(moved > 100, "{moved}");
    });
}
