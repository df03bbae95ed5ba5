//! More marts: queries as people come to write them after a while, and keys of all kinds.

use super::shapes::{Shape, shape};

pub const MORE_SHAPES: &[Shape] = &[
    shape("anti_join", "", "SELECT c.id, c.tier FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.amount > 90 WHERE o.id IS NULL"),
    shape(
        "nested_join",
        "",
        "SELECT c.id, count(l.line) AS n FROM customers c LEFT JOIN (orders o JOIN lines l ON l.order_id = o.id AND l.quantity > 2) ON o.customer_id = c.id GROUP BY 1",
    ),
    shape(
        "both_ways",
        "",
        "SELECT p.id, p.category, count(o.id) AS n FROM orders o JOIN lines l ON l.order_id = o.id RIGHT JOIN products p ON p.id = l.product_id LEFT JOIN tags t ON t.product_id = p.id
         GROUP BY 1, 2",
    ),
    shape("full_rows", "", "SELECT product_id, t.tag, l.quantity FROM (SELECT * FROM tags WHERE tag = 'new') t FULL JOIN (SELECT * FROM lines WHERE quantity = 7) l USING (product_id)"),
    shape("nullable_key", "", "SELECT o.customer_id, count(*) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY 1"),
    shape(
        "two_deep",
        "",
        "SELECT c.id FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND NOT EXISTS (SELECT FROM lines l WHERE l.order_id = o.id AND l.quantity < 3))",
    ),
    shape(
        "outer_deep",
        "",
        "SELECT c.id, c.score FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND EXISTS (SELECT FROM events e WHERE e.customer_id = c.id AND e.value > o.amount))",
    ),
    shape("latest", "", "SELECT o.id, o.customer_id, o.placed FROM orders o WHERE NOT EXISTS (SELECT FROM orders n WHERE n.customer_id = o.customer_id AND n.placed > o.placed)"),
    shape("pairs_in", "", "SELECT o.id, o.customer_id FROM orders o WHERE (o.customer_id, o.status) IN (SELECT e.customer_id, 'paid' FROM events e WHERE e.kind = 'buy')"),
    shape("any_all", "", "SELECT c.id FROM customers c WHERE c.score > ALL (SELECT e.value FROM events e WHERE e.customer_id = c.id) AND c.id = ANY (SELECT o.customer_id FROM orders o)"),
    shape("array_of", "", "SELECT c.id, ARRAY(SELECT o.id FROM orders o WHERE o.customer_id = c.id ORDER BY o.id) AS orders FROM customers c WHERE c.tier = 'gold'"),
    shape("not_in_related", "", "SELECT c.id FROM customers c WHERE 'lost' NOT IN (SELECT o.status FROM orders o WHERE o.customer_id = c.id)"),
    shape("filter_exists", "", "SELECT o.customer_id, count(*) FILTER (WHERE EXISTS (SELECT FROM lines l WHERE l.order_id = o.id AND l.quantity = 7)) AS n FROM orders o GROUP BY 1"),
    shape("having_exists", "", "SELECT o.customer_id, sum(o.amount) AS total FROM orders o GROUP BY 1 HAVING EXISTS (SELECT FROM events e WHERE e.customer_id = o.customer_id AND e.kind = 'buy')"),
    shape("case_exists", "", "SELECT c.id, CASE WHEN EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND o.status = 'lost') THEN 'watch' ELSE c.tier END AS what FROM customers c"),
    shape("cubes", "", "SELECT customer_id, status, amount > 50 AS big, count(*) AS n, grouping(status) AS g FROM orders GROUP BY customer_id, CUBE (status, amount > 50)"),
    shape(
        "named_window",
        "",
        "SELECT id, status, lower(status) AS state, lag(id) OVER w AS before, count(*) OVER (w RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n FROM orders
         WINDOW w AS (PARTITION BY customer_id, lower(status) ORDER BY id)",
    ),
    shape("window_key", "", "SELECT customer_id, id, ntile(4) OVER (PARTITION BY customer_id ORDER BY amount, id) AS quarter, max(amount) OVER (PARTITION BY customer_id, status) AS most FROM orders"),
    shape("window_filtered", "", "SELECT * FROM (SELECT customer_id, id, amount, row_number() OVER (PARTITION BY customer_id ORDER BY amount DESC NULLS LAST, id) AS nth FROM orders) r WHERE nth <= 3"),
    shape("distinct_grouped", "", "SELECT DISTINCT customer_id, count(*) AS n FROM orders GROUP BY customer_id, status"),
    shape("distinct_on_two", "", "SELECT DISTINCT ON (lower(status), customer_id) customer_id, lower(status) AS state, id FROM orders ORDER BY lower(status), customer_id, id DESC"),
    shape(
        "with_twice",
        "",
        "WITH per AS (SELECT customer_id, status, sum(amount) AS total FROM orders GROUP BY 1, 2)
         SELECT a.customer_id, a.total AS paid, b.total AS lost FROM per a LEFT JOIN per b ON b.customer_id = a.customer_id AND b.status = 'lost' WHERE a.status = 'paid'",
    ),
    shape(
        "set_of_sets",
        "",
        "(SELECT customer_id::bigint AS c FROM orders WHERE amount > 60 UNION SELECT customer_id FROM events WHERE kind = 'buy') EXCEPT (SELECT id FROM customers WHERE tier = 'gold' INTERSECT SELECT customer_id FROM orders)",
    ),
    shape("intersect_all", "", "SELECT product_id FROM lines WHERE quantity > 4 INTERSECT ALL SELECT product_id FROM tags"),
    shape("lateral_sum", "", "SELECT c.id, x.n, x.total FROM customers c CROSS JOIN LATERAL (SELECT count(*) AS n, sum(o.amount) AS total FROM orders o WHERE o.customer_id = c.id) x WHERE x.n > 3"),
    shape("lateral_set", "", "SELECT o.customer_id, u.word, count(*) AS n FROM orders o CROSS JOIN LATERAL unnest(ARRAY[o.status, o.note]) AS u (word) GROUP BY 1, 2"),
    shape("by_values", "", "SELECT c.id, v.weight FROM customers c JOIN (VALUES ('gold', 1), ('silver', 2)) AS v (tier, weight) ON v.tier = c.tier"),
    shape("days_join", "", "SELECT e.day, count(*) AS n, sum(o.amount) AS total FROM events e JOIN orders o ON o.placed::date = e.day AND o.customer_id = e.customer_id GROUP BY 1"),
    shape("coalesce_join", "", "SELECT coalesce(c.region_id, 0) AS region, count(*) AS n FROM customers c JOIN regions r ON r.id = coalesce(c.region_id, 1) GROUP BY 1"),
    shape("two_columns", "", "SELECT o.customer_id, o.status, count(*) AS n FROM orders o JOIN orders p ON p.customer_id = o.customer_id AND p.status = o.status AND p.id <> o.id GROUP BY 1, 2"),
    shape("words", "", "SELECT customer_id, string_agg(note, ',' ORDER BY note, id) AS notes, jsonb_object_agg(id, amount) AS amounts, bool_or(amount > 90) AS large FROM orders GROUP BY 1"),
    shape("equal_numbers", "", "SELECT amount * CASE WHEN id % 2 = 0 THEN 1.0 ELSE 1.000 END AS amount, count(*) AS n FROM orders GROUP BY 1"),
    shape("zeroes", "", "SELECT (value % 3)::float8 * CASE WHEN value > 25 THEN -1 ELSE 1 END AS z, count(*) AS n, min(customer_id) AS c FROM events GROUP BY 1"),
    shape("months", "", "SELECT to_char(placed, 'YYYY-MM') AS month, extract(isodow FROM placed) AS day, count(*) AS n FROM orders GROUP BY 1, 2"),
    shape("texts", "", "SELECT customer_id::text || ':' || status AS what, status::char(6) AS padded, md5(note)::uuid AS id, to_jsonb(note) AS j, count(*) AS n FROM orders GROUP BY 1, 2, 3, 4"),
    shape("flags", "", "SELECT amount > 50 AS large, status = 'paid' AS paid, customer_id % 10 AS bucket, count(*) AS n FROM orders GROUP BY 1, 2, 3"),
    shape("week", "", "SELECT date_trunc('week', placed) AS week, customer_id, max(amount) AS most FROM orders GROUP BY 1, 2"),
    shape("quarter_local", "", "SELECT date_trunc('month', placed AT TIME ZONE 'America/Bogota') AS month, count(*) AS n FROM orders GROUP BY 1"),
    shape("day_of_date", "", "SELECT date_trunc('month', day) AS month, kind, count(*) AS n FROM events GROUP BY 1, 2"),
    shape("on_mart_on_mart", "", "SELECT n, count(*) AS regions FROM on_mart GROUP BY 1"),
    shape("on_windows", "", "SELECT customer_id, max(nth) AS nth FROM windows GROUP BY 1"),
    shape("moving_between", "", "SELECT sensor, count(*) AS n FROM ticks WHERE at BETWEEN now() - interval '62 minutes' AND now() - interval '58 minutes' GROUP BY 1"),
    shape("moving_turned", "", "SELECT sensor, max(at) AS last FROM ticks WHERE now() - interval '59 minutes' > at GROUP BY 1"),
    shape("moving_exists", "", "SELECT c.id, c.tier FROM customers c WHERE EXISTS (SELECT FROM ticks t WHERE t.sensor = c.id AND t.at > now() - interval '1 hour')"),
    shape("moving_left", "", "SELECT c.id, count(t.id) AS n FROM customers c LEFT JOIN ticks t ON t.sensor = c.id AND t.at > now() - interval '60 minutes' GROUP BY 1"),
    shape("moving_step", "", "SELECT sensor, count(*) AS n FROM ticks WHERE at >= date_trunc('minute', now() - interval '1 hour') GROUP BY 1"),
    shape("moving_or", "", "SELECT sensor, count(*) AS n FROM ticks WHERE at > now() - interval '1 hour' OR v > 7 GROUP BY 1"),
];
