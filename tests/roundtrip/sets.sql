-- UNION, INTERSECT, EXCEPT: brackets, casts, orders.
CREATE SCHEMA s;
CREATE TABLE s.a (id int, name varchar(20), price numeric(8, 2), day date);
CREATE TABLE s.b (id bigint, name text, price real, day timestamp);
CREATE VIEW s.chain AS SELECT id, name FROM s.a UNION ALL SELECT id, name FROM s.b UNION SELECT 1, 'x' EXCEPT SELECT 2, 'y';
CREATE VIEW s.brackets AS (SELECT id FROM s.a UNION SELECT id FROM s.b) INTERSECT (SELECT 1 UNION ALL (SELECT 2 EXCEPT SELECT 3)) ORDER BY 1 LIMIT 5;
CREATE VIEW s.casts AS SELECT NULL AS nothing, id::smallint, price, day FROM s.a UNION ALL SELECT name, id, price, day FROM s.b UNION ALL SELECT 'z', 1, 1.5, NULL;
CREATE VIEW s.mixed_types AS SELECT name FROM s.a UNION SELECT NULL UNION SELECT 'c'::char(3);
CREATE VIEW s.inner_orders AS (SELECT id FROM s.a ORDER BY price DESC NULLS LAST LIMIT 3) UNION ALL (SELECT id FROM s.b ORDER BY day OFFSET 2 ROWS FETCH NEXT 4 ROWS ONLY) ORDER BY id DESC;
CREATE VIEW s.sub_chain AS SELECT * FROM (SELECT id AS x FROM s.a UNION ALL SELECT 3 UNION ALL VALUES (4), (5)) AS t (y) WHERE y > ALL (SELECT 1 UNION SELECT 2);
CREATE VIEW s.in_lists AS SELECT id FROM s.a WHERE name IN ('a', 'b', 'c') OR name NOT IN ('d', 'e') OR name = ANY (ARRAY['f', 'g']) OR name LIKE ANY (ARRAY['h%', 'i_']) OR id IN (1, 2, 3) OR name = 'one';
CREATE VIEW s.in_lists_text AS SELECT id FROM s.b WHERE name IN ('a', 'b') AND id IN (1, 2) AND (id, name) IN ((1, 'a'), (2, 'b'));
CREATE MATERIALIZED VIEW s.in_lists_stored AS SELECT id, name, CASE WHEN name IN ('x', 'y') THEN 'xy'::varchar(5) ELSE name END AS kind FROM s.a WHERE name::text IN ('a', 'b') AND name IN ('q', 'r');
CREATE INDEX ON s.in_lists_stored (id) WHERE name IN ('a', 'b');
CREATE INDEX by_kind ON s.in_lists_stored ((name IN ('c', 'd')), (kind::text || 'x'));
CREATE VIEW s.on_in_lists AS SELECT name FROM s.in_lists_stored WHERE kind IN ('xy', 'z');
CREATE VIEW s.union_views AS TABLE s.in_lists UNION TABLE s.sub_chain;
CREATE VIEW s.intersect_all AS SELECT id FROM s.a INTERSECT ALL SELECT id FROM s.b EXCEPT ALL SELECT 4;
