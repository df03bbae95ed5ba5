{facts}
CREATE OR REPLACE VIEW theirs AS SELECT day, id FROM v; CREATE MATERIALIZED VIEW mv AS SELECT id FROM theirs;
SELECT keep('theirs');
SELECT keep('mv');
