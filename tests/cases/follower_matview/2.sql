{facts}
CREATE ROLE {db}_bi;
CREATE MATERIALIZED VIEW mv WITH (fillfactor = 70) AS SELECT day, category, count(*) AS n, sum(amount) AS total FROM t GROUP BY 1, 2;
CREATE UNIQUE INDEX mv_key ON mv (day, category) INCLUDE (n);
CREATE INDEX "mv Partial" ON mv (total DESC NULLS LAST) WHERE n > 1;
CREATE INDEX mv_upper ON mv (upper(category)) WITH (fillfactor = 80);
COMMENT ON INDEX mv_upper IS 'for the search'; COMMENT ON MATERIALIZED VIEW mv IS 'Theirs'; COMMENT ON COLUMN mv.n IS 'how many';
ALTER MATERIALIZED VIEW mv CLUSTER ON mv_key; ALTER MATERIALIZED VIEW mv ALTER COLUMN day SET STATISTICS 500;
GRANT SELECT ON mv TO {db}_bi; GRANT SELECT (n) ON mv TO PUBLIC;
CREATE VIEW over_mv AS SELECT day, total FROM mv;
INSERT INTO orders VALUES (1000, '2030-01-01', 'new', 'r', 1);
SELECT keep('mv');
SELECT keep('over_mv');
