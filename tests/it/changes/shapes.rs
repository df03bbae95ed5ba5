//! The marts: a shape of query each.

/// A mart.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    /// Columns with commas between, or none.
    pub primary_key: &'static str,
    pub query: &'static str,
    /// How it is divided, and which method it has; none is a table that follows changes.
    pub divided: Option<(&'static str, &'static str)>,
}

impl Shape {
    /// Its manifest.
    pub fn manifest(&self) -> String {
        let columns: Vec<String> = self.primary_key.split_terminator(", ").map(|name| format!("{name:?}")).collect();
        let key = if columns.is_empty() { String::new() } else { format!("primary_key = [{}]\n", columns.join(", ")) };
        if let Some((partition, method)) = self.divided {
            return format!(
                "type = \"partitioned_table\"\nquery = \"\"\"{}\"\"\"\n{key}[partition]\n{partition}\n[refresh.incremental]\nmethod = \"{method}\"\n",
                self.query
            );
        }
        format!(
            "type = \"table\"\nquery = \"\"\"{}\"\"\"\n{key}[refresh.incremental]\nmethod = \"changes\"\n",
            self.query
        )
    }

    /// Whether its rows change without a write.
    pub fn moves(&self) -> bool {
        self.query.contains("now()") || self.query.contains("current_date")
    }

    /// The query as of a time, which is a literal.
    pub fn as_of(&self, time: &str) -> String {
        self.query.replace("now()", time).replace("current_date", &format!("({time})::date"))
    }
}

pub const fn shape(name: &'static str, primary_key: &'static str, query: &'static str) -> Shape {
    Shape { name, primary_key, query, divided: None }
}

pub const fn divided(
    name: &'static str,
    primary_key: &'static str,
    query: &'static str,
    partition: &'static str,
    method: &'static str,
) -> Shape {
    Shape { name, primary_key, query, divided: Some((partition, method)) }
}

/// All of them; a mart that reads another stands behind it.
pub const SHAPES: &[Shape] = &[
    shape("aggregate", "", "SELECT customer_id, count(*) AS n, sum(amount) AS total, max(placed) AS last FROM orders GROUP BY customer_id"),
    shape(
        "aggregates",
        "",
        "SELECT customer_id, count(DISTINCT status) AS states, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median,
         array_agg(id ORDER BY placed DESC, id) AS ids, count(*) FILTER (WHERE amount > 50) AS large FROM orders GROUP BY 1 HAVING count(*) > 2",
    ),
    shape("day", "", "SELECT date_trunc('day', placed) AS day, status, count(*) AS n, sum(amount) AS total FROM orders GROUP BY 1, 2"),
    shape("day_alone", "", "SELECT placed::date AS day, count(*) AS n FROM orders GROUP BY 1"),
    shape("hour_bin", "", "SELECT date_bin('6 hours', placed, '2026-01-01 00:00+00') AS bin, sum(amount) AS total FROM orders GROUP BY 1"),
    shape(
        "expressions",
        "",
        "SELECT lower(status) AS state, coalesce(customer_id, 0) AS customer, CASE WHEN amount > 50 THEN 'big' WHEN amount IS NULL THEN 'none' ELSE 'small' END AS size,
         count(*) AS n FROM orders GROUP BY 1, 2, 3",
    ),
    shape(
        "join_2",
        "",
        "SELECT c.region_id, c.tier, count(*) AS n, sum(o.amount) AS total FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY 1, 2",
    ),
    shape(
        "join_3",
        "",
        "SELECT r.country, o.customer_id, count(*) AS n FROM orders o JOIN customers c ON c.id = o.customer_id JOIN regions r ON r.id = c.region_id GROUP BY 1, 2",
    ),
    shape(
        "join_4",
        "",
        "SELECT c.region_id, p.category, count(DISTINCT o.id) AS orders, sum(l.quantity * p.price) AS value
         FROM lines l JOIN orders o ON o.id = l.order_id JOIN customers c ON c.id = o.customer_id JOIN products p ON p.id = l.product_id
         WHERE o.status <> 'lost' GROUP BY 1, 2",
    ),
    shape(
        "join_order",
        "id",
        "SELECT o.id, o.status, count(*) AS lines, sum(l.quantity * p.price) AS value FROM orders o, lines l, products p
         WHERE l.order_id = o.id AND p.id = l.product_id GROUP BY o.id, o.status",
    ),
    shape(
        "left_join",
        "id",
        "SELECT c.id, c.tier, count(o.id) AS n, sum(o.amount) AS total FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.status = 'paid' GROUP BY 1, 2",
    ),
    shape(
        "left_joins",
        "",
        "SELECT c.id, r.country, count(DISTINCT o.id) AS orders, sum(l.quantity) AS pieces FROM customers c LEFT JOIN regions r ON r.id = c.region_id
         LEFT JOIN orders o ON o.customer_id = c.id LEFT JOIN lines l ON l.order_id = o.id WHERE c.score < 90 GROUP BY 1, 2",
    ),
    shape(
        "right_join",
        "id",
        "SELECT p.id, count(l.line) AS n FROM lines l RIGHT JOIN products p ON p.id = l.product_id GROUP BY p.id",
    ),
    shape(
        "full_join",
        "",
        "SELECT customer_id, o.n, e.total FROM (SELECT customer_id::bigint AS customer_id, count(*) AS n FROM orders GROUP BY 1) o
         FULL JOIN (SELECT customer_id, sum(value) AS total FROM events GROUP BY 1) e USING (customer_id)",
    ),
    shape("rows", "id", "SELECT o.id, o.status, o.amount, c.tier FROM orders o LEFT JOIN customers c ON c.id = o.customer_id WHERE o.amount > 10"),
    shape("rows_twice", "", "SELECT t.product_id, t.tag, p.category FROM tags t JOIN products p ON p.id = t.product_id"),
    shape(
        "self_join",
        "",
        "SELECT a.customer_id, count(*) AS pairs FROM orders a JOIN orders b ON b.customer_id = a.customer_id AND a.id < b.id GROUP BY 1",
    ),
    shape(
        "null_join",
        "",
        "SELECT c.id, r.name FROM customers c LEFT JOIN regions r ON r.id IS NOT DISTINCT FROM c.region_id",
    ),
    shape(
        "other_types",
        "",
        "SELECT e.customer_id, c.tier, sum(e.value) AS total FROM events e JOIN customers c ON c.id = e.customer_id GROUP BY 1, 2",
    ),
    shape("on_mart", "", "SELECT region_id, sum(n) AS n, sum(total) AS total FROM join_2 GROUP BY 1"),
    shape("on_marts", "", "SELECT l.id, l.tier, a.n, a.total FROM left_join l JOIN aggregate a ON a.customer_id = l.id"),
    shape("moving", "", "SELECT sensor, count(*) AS n, sum(v) AS total FROM ticks WHERE at >= now() - interval '1 hour' GROUP BY 1"),
    shape(
        "moving_both",
        "",
        "SELECT sensor, count(*) AS n FROM ticks WHERE at > now() - interval '61 minutes' AND at <= now() - interval '59 minutes' GROUP BY 1",
    ),
    shape(
        "moving_join",
        "",
        "SELECT c.tier, t.sensor, count(*) AS n FROM ticks t JOIN customers c ON c.id = t.sensor WHERE t.at >= now() - interval '59 minutes' GROUP BY 1, 2",
    ),
    shape("moving_day", "", "SELECT customer_id, count(*) AS n FROM orders WHERE placed >= current_date - 400 GROUP BY 1"),
    shape("distinct_rows", "", "SELECT DISTINCT customer_id, status FROM orders"),
    shape("distinct_on", "", "SELECT DISTINCT ON (customer_id) customer_id, id, amount FROM orders ORDER BY customer_id, placed DESC NULLS LAST, id"),
    shape(
        "windows",
        "id",
        "SELECT id, customer_id, row_number() OVER (PARTITION BY customer_id ORDER BY placed, id) AS nth, sum(amount) OVER (PARTITION BY customer_id) AS total FROM orders",
    ),
    shape(
        "window_over_groups",
        "",
        "SELECT region_id, tier, count(*) AS n, rank() OVER (PARTITION BY region_id ORDER BY count(*)) AS place FROM customers GROUP BY 1, 2",
    ),
    shape(
        "two_windows",
        "",
        "SELECT id, customer_id, status, count(*) OVER (PARTITION BY customer_id, status) AS same, count(*) OVER (PARTITION BY customer_id) AS n FROM orders",
    ),
    shape(
        "union_all",
        "",
        "SELECT 'order' AS what, customer_id::bigint AS customer_id, amount FROM orders WHERE amount > 20 UNION ALL SELECT 'event', customer_id, value FROM events WHERE kind = 'buy'",
    ),
    shape("union_rows", "", "SELECT customer_id::bigint AS customer_id FROM orders UNION SELECT customer_id FROM events"),
    shape(
        "union_grouped",
        "",
        "SELECT c, sum(v) AS v FROM (SELECT customer_id::bigint AS c, amount AS v FROM orders UNION ALL SELECT customer_id, value FROM events) u GROUP BY c",
    ),
    shape("except_rows", "", "SELECT customer_id::bigint AS customer_id FROM orders WHERE status = 'paid' EXCEPT SELECT customer_id FROM events WHERE kind = 'buy'"),
    shape("except_all", "", "SELECT product_id FROM lines WHERE quantity > 3 EXCEPT ALL SELECT product_id FROM tags"),
    shape("intersect_rows", "", "SELECT customer_id::bigint AS customer_id FROM orders WHERE status = 'lost' INTERSECT SELECT customer_id FROM events WHERE kind = 'view'"),
    shape("has", "", "SELECT c.id, c.tier FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND o.amount > 100)"),
    shape(
        "has_not",
        "id",
        "SELECT c.id, c.tier FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.customer_id = c.id AND l.quantity > 6 AND o.status = 'paid')",
    ),
    shape("is_in", "", "SELECT p.id, p.category FROM products p WHERE p.id IN (SELECT product_id FROM lines WHERE quantity = 7)"),
    shape("is_not_in", "", "SELECT c.id FROM customers c WHERE c.id NOT IN (SELECT o.customer_id FROM orders o WHERE o.status = 'lost' AND o.customer_id IS NOT NULL)"),
    shape("null_in", "", "SELECT c.id, c.region_id FROM customers c WHERE c.region_id NOT IN (SELECT o.customer_id FROM orders o WHERE o.amount = 119)"),
    shape("in_grouped", "", "SELECT id, customer_id, amount FROM orders WHERE customer_id IN (SELECT customer_id FROM orders GROUP BY 1 HAVING count(*) > 12)"),
    shape(
        "scalars",
        "id",
        "SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS n, (SELECT max(e.value) FROM events e WHERE e.customer_id = c.id) AS most,
         EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND o.status = 'lost') AS lost FROM customers c",
    ),
    shape(
        "scalar_where",
        "",
        "SELECT o.id, o.customer_id, o.amount FROM orders o WHERE o.amount > (SELECT avg(i.amount) * 1.5 FROM orders i WHERE i.customer_id = o.customer_id)",
    ),
    shape(
        "lateral_rows",
        "",
        "SELECT c.id, x.id AS order_id, x.amount FROM customers c LEFT JOIN LATERAL (SELECT o.id, o.amount FROM orders o WHERE o.customer_id = c.id ORDER BY o.placed DESC NULLS LAST, o.id LIMIT 2) x ON true",
    ),
    shape(
        "with_query",
        "",
        "WITH per AS (SELECT customer_id, sum(amount) AS total FROM orders GROUP BY 1), big AS (SELECT * FROM per WHERE total > 300)
         SELECT c.id, c.tier, b.total FROM customers c JOIN big b ON b.customer_id = c.id",
    ),
    shape("of_view", "", "SELECT customer_id, count(*) AS n, sum(amount) AS total FROM paid GROUP BY 1"),
    shape("of_views", "", "SELECT v.id, v.country, v.n, c.score FROM customers_of v JOIN customers c USING (id)"),
    shape("rollup_rows", "", "SELECT customer_id, status, count(*) AS n FROM orders GROUP BY customer_id, ROLLUP (status)"),
    shape("sets", "", "SELECT customer_id, status, amount > 50 AS big, count(*) AS n FROM orders GROUP BY GROUPING SETS ((customer_id, status), (customer_id, amount > 50))"),
    shape("own_aggregate", "", "SELECT customer_id, product_of(amount) AS p FROM orders GROUP BY 1"),
    shape("own_function", "", "SELECT customer_id, grade(amount) AS grade, count(*) AS n FROM orders GROUP BY 1, 2"),
    shape("partitions", "", "SELECT day, kind, count(*) AS n, sum(value) AS total FROM events GROUP BY 1, 2"),
    shape("partitions_join", "", "SELECT c.id, e.kind, count(*) AS n FROM events e JOIN customers c ON c.id = e.customer_id GROUP BY 1, 2"),
    shape(
        "nested",
        "",
        "SELECT c.region_id, count(*) AS n, sum(t.total) AS total FROM customers c JOIN (SELECT customer_id, sum(amount) AS total FROM orders GROUP BY 1) t ON t.customer_id = c.id GROUP BY 1",
    ),
    shape(
        "having_related",
        "",
        "SELECT o.customer_id, count(*) AS n FROM orders o GROUP BY 1 HAVING count(*) > (SELECT count(*) FROM events e WHERE e.customer_id = o.customer_id)",
    ),
];
