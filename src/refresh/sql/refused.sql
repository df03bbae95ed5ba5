-- The last two times that keys of a mart were looked for: whether all rows were cheaper both times, and would be for as many changes as
-- now if the cost goes by their number, with the less of the two. Among so many runs there must be two, so that somebody looks again;
-- what ran before the mart was changed says nothing.
WITH last AS MATERIALIZED (
  SELECT r.run, r.decision FROM {registry}.refreshes AS r
  WHERE r.project = $1 AND r.schema = $2 AND r.mart = $3 AND r.status = 'success' AND r.started_at >= $5 ORDER BY r.run DESC LIMIT 20),
looked AS (
  SELECT l.decision ->> 'rung' AS rung, (l.decision ->> 'pending')::float8 AS pending, (l.decision ->> 'ratio')::float8 AS ratio
  FROM last AS l WHERE l.decision ->> 'ratio' IS NOT NULL AND l.decision ->> 'learned' IS NULL ORDER BY l.run DESC LIMIT 2)
SELECT CASE WHEN count(*) = 2 AND bool_and(l.rung = 'whole') THEN min(l.ratio * least($4::float8 / nullif(l.pending, 0), 1)) END AS ratio FROM looked AS l
