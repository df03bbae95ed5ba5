{facts}
DROP MATERIALIZED VIEW a; CREATE MATERIALIZED VIEW a AS SELECT day, category, 0::numeric AS total, 'theirs'::text AS more FROM orders;
CREATE VIEW w AS SELECT day, total FROM a; CREATE MATERIALIZED VIEW mv AS SELECT * FROM w; GRANT SELECT ON mv TO PUBLIC;
SELECT keep('w');
SELECT keep('mv');
