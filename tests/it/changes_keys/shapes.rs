//! Queries of every form that can follow changes.

/// Tables with few values, so that keys meet, with NULLs and without keys, so that rows are there twice.
pub const TABLES: &str = "
    CREATE TABLE orders (id int, c_id int, at timestamptz, day date, amount int, kind text, tags text[]);
    CREATE TABLE customers (id int, region text, active bool, vip int);
    CREATE TABLE lines (o_id int, n int, p_id int, qty int);
    CREATE TABLE products (id int, name text, price numeric(10,2));
    CREATE TABLE shops (id int PRIMARY KEY, name text NOT NULL, region text);
    CREATE TABLE sales (shop int, day date, amount int, code varchar(5));
    CREATE VIEW paid AS SELECT id, c_id, at AS moment, amount FROM orders WHERE amount > 2;
    CREATE VIEW totals AS SELECT c_id, count(*) AS n, sum(amount) AS total FROM paid GROUP BY c_id;
    CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
    CREATE AGGREGATE product(int) (SFUNC = int4mul, STYPE = int, INITCOND = '1');";

/// Queries, by name.
pub const SHAPES: &[(&str, &str)] = &[
    ("grouped", "SELECT c_id, kind, count(*) AS n, sum(amount) AS total FROM orders GROUP BY 1, 2"),
    ("by_day", "SELECT date_trunc('day', at) AS d, count(*) AS n FROM orders WHERE amount > 1 GROUP BY 1"),
    ("by_date", "SELECT at::date AS d, kind, max(amount) AS m FROM orders GROUP BY 1, 2"),
    ("by_month", "SELECT date_trunc('month', day)::date AS m, count(*) AS n FROM orders GROUP BY 1"),
    ("by_bin", "SELECT date_bin('6 hours', at, '2024-01-01Z') AS b, count(*) AS n FROM orders GROUP BY 1"),
    ("by_day_of_hour", "SELECT date_trunc('hour', at)::date AS d, count(*) AS n FROM orders GROUP BY 1"),
    (
        "by_day_of_bin",
        "SELECT date_bin('18 hours', at, '2024-01-01 07:00')::date AS d, count(*) AS n FROM orders GROUP BY 1",
    ),
    ("by_quarter", "SELECT date_trunc('quarter', at) AS q, count(*) AS n FROM orders GROUP BY 1"),
    ("by_months_of_days", "SELECT date_trunc('month', day)::date AS m, day, count(*) AS n FROM orders GROUP BY 1, 2"),
    ("by_hour", "SELECT date_trunc('hour', at AT TIME ZONE 'UTC') AS h, count(*) AS n FROM orders GROUP BY 1"),
    (
        "by_expression",
        "SELECT lower(kind) || '!' AS k, c_id % 2 AS odd, count(DISTINCT amount) AS n FROM orders GROUP BY 1, 2",
    ),
    ("having", "SELECT c_id, sum(amount) FILTER (WHERE kind = 'a') AS a FROM orders GROUP BY c_id HAVING count(*) > 1"),
    (
        "percentile",
        "SELECT kind, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS p, array_agg(amount ORDER BY amount) AS l FROM orders GROUP BY kind",
    ),
    (
        "joined",
        "SELECT c.region, p.name, sum(l.qty) AS q FROM lines l JOIN orders o ON o.id = l.o_id JOIN customers c ON c.id = o.c_id JOIN products p ON p.id = l.p_id GROUP BY 1, 2",
    ),
    (
        "two_sides",
        "SELECT c.region, o.day, count(*) AS n FROM orders o JOIN customers c ON c.id = o.c_id AND c.active GROUP BY 1, 2",
    ),
    (
        "comma",
        "SELECT c.region, count(*) AS n FROM orders o, customers c WHERE c.id = o.c_id AND (o.amount > c.vip OR o.kind IS NULL) GROUP BY 1",
    ),
    ("using", "SELECT id, count(*) AS n FROM orders o JOIN products p USING (id) GROUP BY id"),
    (
        "not_distinct",
        "SELECT c.region, count(*) AS n FROM orders o JOIN customers c ON c.id IS NOT DISTINCT FROM o.c_id GROUP BY 1",
    ),
    (
        "left_outer",
        "SELECT c.region, c.id, count(o.id) AS n FROM customers c LEFT JOIN orders o ON o.c_id = c.id AND o.amount > 2 AND c.active GROUP BY 1, 2",
    ),
    ("left_nullable", "SELECT c.region, count(*) AS n FROM orders o LEFT JOIN customers c ON c.id = o.c_id GROUP BY 1"),
    (
        "left_chain",
        "SELECT o.kind, count(l.qty) AS n, max(p.name) AS m FROM orders o LEFT JOIN lines l ON l.o_id = o.id LEFT JOIN products p ON p.id = l.p_id GROUP BY 1",
    ),
    (
        "left_odd_chain",
        "SELECT o.id, count(p.id) AS n FROM orders o LEFT JOIN lines l ON l.o_id = o.id LEFT JOIN products p ON p.id IS NOT DISTINCT FROM l.p_id GROUP BY 1",
    ),
    (
        "anti",
        "SELECT c.region, count(*) AS n FROM customers c LEFT JOIN orders o ON o.c_id = c.id WHERE o.id IS NULL GROUP BY 1",
    ),
    (
        "right_outer",
        "SELECT c.region, sum(o.amount) AS n FROM orders o RIGHT JOIN customers c ON o.c_id = c.id GROUP BY 1",
    ),
    (
        "full_using",
        "SELECT day, sum(o.amount) AS o, sum(s.amount) AS s FROM orders o FULL JOIN sales s USING (day) GROUP BY day",
    ),
    (
        "full_on",
        "SELECT coalesce(o.day, s.day) AS day, count(*) AS n, count(o.id) AS o FROM orders o FULL JOIN sales s ON o.day = s.day GROUP BY 1",
    ),
    (
        "left_of_join",
        "SELECT c.id, count(p.id) AS n FROM customers c LEFT JOIN (lines l JOIN products p ON p.id = l.p_id AND p.price > 2) ON l.o_id = c.id GROUP BY 1",
    ),
    ("plain", "SELECT o.id, o.kind, c.region FROM orders o JOIN customers c ON c.id = o.c_id WHERE o.amount > 1"),
    (
        "by_key",
        "SELECT s.id, s.name, count(x.amount) AS n FROM shops s LEFT JOIN sales x ON x.shop = s.id GROUP BY s.id",
    ),
    ("by_name", "SELECT s.name, x.day, x.amount FROM shops s JOIN sales x ON x.shop = s.id"),
    ("distincts", "SELECT DISTINCT kind, c_id FROM orders WHERE amount < 4"),
    ("distinct_on", "SELECT DISTINCT ON (c_id) c_id, amount, kind FROM orders ORDER BY c_id, amount DESC, kind"),
    (
        "windowed",
        "SELECT c_id, id, amount, sum(amount) OVER (PARTITION BY c_id ORDER BY amount, id, kind) AS run FROM orders",
    ),
    (
        "windows",
        "SELECT c_id, kind, id, count(*) OVER w AS n, rank() OVER (PARTITION BY c_id, kind ORDER BY amount) AS r FROM orders WINDOW w AS (PARTITION BY c_id)",
    ),
    (
        "grouped_window",
        "SELECT c_id, kind, sum(amount) AS s, rank() OVER (PARTITION BY c_id ORDER BY sum(amount)) AS r FROM orders GROUP BY 1, 2",
    ),
    (
        "union_all",
        "SELECT 'o'::text AS what, day, count(*) AS n FROM orders GROUP BY day UNION ALL SELECT 's', day, count(*) FROM sales GROUP BY day",
    ),
    ("union_distinct", "SELECT c_id, day FROM orders UNION SELECT shop, day FROM sales"),
    ("union_types", "SELECT amount::bigint AS a FROM orders UNION ALL SELECT price FROM products"),
    ("union_codes", "SELECT kind AS k, id FROM orders UNION ALL SELECT code, shop FROM sales"),
    ("except", "SELECT c_id FROM orders EXCEPT SELECT id FROM customers WHERE active"),
    ("except_all", "SELECT c_id, day FROM orders EXCEPT ALL SELECT shop, day FROM sales"),
    ("intersect", "SELECT c_id, day FROM orders INTERSECT SELECT shop, day FROM sales"),
    (
        "of_union",
        "SELECT u.day, sum(u.amount) AS n FROM (SELECT day, amount FROM orders UNION ALL SELECT day, amount FROM sales) u GROUP BY 1",
    ),
    (
        "join_union",
        "SELECT c.region, count(*) AS n FROM customers c JOIN (SELECT c_id AS id FROM orders UNION SELECT shop FROM sales) u ON u.id = c.id GROUP BY 1",
    ),
    (
        "exists",
        "SELECT c.region, count(*) AS n FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.c_id = c.id AND o.amount > 2) GROUP BY 1",
    ),
    (
        "not_exists",
        "SELECT c.id, c.region FROM customers c WHERE NOT EXISTS (SELECT FROM orders o JOIN lines l ON l.o_id = o.id WHERE o.c_id = c.id)",
    ),
    (
        "in_query",
        "SELECT o.kind, count(*) AS n FROM orders o WHERE o.c_id IN (SELECT id FROM customers WHERE active) GROUP BY 1",
    ),
    ("not_in_query", "SELECT o.id, o.kind FROM orders o WHERE o.c_id NOT IN (SELECT id FROM customers WHERE active)"),
    ("in_target", "SELECT o.id, o.c_id IN (SELECT id FROM customers WHERE active) AS known FROM orders o"),
    (
        "in_pairs",
        "SELECT o.kind, count(*) AS n FROM orders o WHERE (o.c_id, o.day) IN (SELECT shop, day FROM sales) GROUP BY 1",
    ),
    (
        "scalar",
        "SELECT c.id, c.region, (SELECT sum(o.amount) FROM orders o WHERE o.c_id = c.id) AS total FROM customers c",
    ),
    (
        "scalar_deep",
        "SELECT o.kind, sum((SELECT count(*) FROM lines l WHERE l.o_id = o.id AND l.qty > (SELECT min(p.price) FROM products p WHERE p.id = l.p_id))) AS n FROM orders o GROUP BY 1",
    ),
    (
        "in_having",
        "SELECT o.c_id, count(*) AS n FROM orders o GROUP BY o.c_id HAVING count(*) > (SELECT count(*) FROM sales s WHERE s.shop = o.c_id)",
    ),
    (
        "lateral_top",
        "SELECT c.id, x.amount, x.kind FROM customers c CROSS JOIN LATERAL (SELECT o.amount, o.kind FROM orders o WHERE o.c_id = c.id ORDER BY o.amount DESC, o.kind, o.id LIMIT 2) x",
    ),
    (
        "lateral_left",
        "SELECT c.id, x.n FROM customers c LEFT JOIN LATERAL (SELECT count(*) AS n FROM orders o WHERE o.c_id = c.id) x ON x.n > 1",
    ),
    ("unnested", "SELECT t.tag, count(*) AS n FROM orders o, unnest(o.tags) AS t(tag) GROUP BY 1"),
    (
        "unnested_left",
        "SELECT o.kind, count(t.tag) AS n FROM orders o LEFT JOIN LATERAL unnest(o.tags) WITH ORDINALITY AS t(tag, i) ON t.i > 1 GROUP BY 1",
    ),
    (
        "with_query",
        "WITH big AS (SELECT c_id, day, amount FROM orders WHERE amount > 2), s AS (SELECT c_id, sum(amount) AS t FROM big GROUP BY 1) SELECT c.region, count(*) AS n, sum(s.t) AS t FROM s JOIN customers c ON c.id = s.c_id GROUP BY 1",
    ),
    (
        "with_twice",
        "WITH x AS MATERIALIZED (SELECT c_id, amount FROM orders) SELECT a.c_id, count(*) AS n FROM x a JOIN x b ON a.c_id = b.c_id AND a.amount < b.amount GROUP BY 1",
    ),
    (
        "nested",
        "SELECT t.n, t.c_id FROM (SELECT c_id, count(*) AS n FROM orders GROUP BY c_id) t JOIN customers c ON c.id = t.c_id WHERE t.n > 1",
    ),
    (
        "nested_day",
        "SELECT t.d, max(t.n) AS n FROM (SELECT date_trunc('day', at) AS d, kind, count(*) AS n FROM orders GROUP BY 1, 2) t GROUP BY 1",
    ),
    (
        "of_view",
        "SELECT date_trunc('week', p.moment) AS w, sum(p.amount) AS n FROM paid p JOIN customers c ON c.id = p.c_id GROUP BY 1",
    ),
    ("of_views", "SELECT c.region, sum(t.total) AS n FROM totals t JOIN customers c ON c.id = t.c_id GROUP BY 1"),
    ("rollup_common", "SELECT c_id, kind, day, count(*) AS n FROM orders GROUP BY c_id, ROLLUP (kind, day)"),
    (
        "grouping_sets",
        "SELECT c_id, kind, day, count(*) AS n, grouping(kind) AS g FROM orders GROUP BY GROUPING SETS ((c_id, kind), (c_id, day))",
    ),
    (
        "self_join",
        "SELECT a.kind, count(*) AS n FROM orders a JOIN orders b ON a.c_id = b.c_id AND a.id < b.id GROUP BY 1",
    ),
    (
        "values_join",
        "SELECT v.label, count(*) AS n FROM orders o JOIN (VALUES (1, 'one'), (2, 'two')) v (id, label) ON v.id = o.c_id GROUP BY 1",
    ),
    ("made", "SELECT twice(c_id) AS c, product(amount) AS p FROM orders GROUP BY 1"),
    (
        "uncorrelated",
        "SELECT kind, count(*) FILTER (WHERE amount > (SELECT avg(amount) FROM sales)) AS n FROM orders GROUP BY 1",
    ),
    ("uncorrelated_from", "SELECT o.id, s.top FROM orders o CROSS JOIN (SELECT max(amount) AS top FROM sales) s"),
    (
        "aggregate_join",
        "SELECT o.id, count(x.c_id) AS n FROM orders o LEFT JOIN (SELECT shop AS c_id, max(amount) AS top FROM sales GROUP BY shop) x ON x.top = o.amount GROUP BY 1",
    ),
    (
        "between",
        "SELECT c.id, count(*) AS n FROM customers c JOIN sales s ON s.amount BETWEEN c.id AND c.vip GROUP BY 1",
    ),
    (
        "three_keys",
        "SELECT o.kind, c.region, p.name, count(*) AS n FROM orders o LEFT JOIN customers c ON c.id = o.c_id LEFT JOIN products p ON p.id = o.id GROUP BY 1, 2, 3",
    ),
    (
        "many_outer",
        "SELECT o.kind, count(s0.id) AS n, sum(x.amount) AS a FROM orders o LEFT JOIN shops s0 ON s0.id = o.c_id LEFT JOIN shops s1 ON s1.id = o.c_id LEFT JOIN shops s2 ON s2.id = o.c_id LEFT JOIN shops s3 ON s3.id = o.c_id LEFT JOIN shops s4 ON s4.id = o.c_id LEFT JOIN shops s5 ON s5.id = o.c_id LEFT JOIN shops s6 ON s6.id = o.c_id LEFT JOIN shops s7 ON s7.id = o.c_id LEFT JOIN sales x ON x.shop = s3.id AND x.amount > 1 WHERE s1.name IS NULL OR o.amount > 2 GROUP BY 1",
    ),
];
