-- How long a mart's runs took: the last one by keys for each unit of its cost, and the last one of all rows. Runs that were compared with
-- the query took longer for that; what short or cheap ones took is not what their rows cost, and of a small part of all rows the cost
-- of writing them was not asked for.
WITH last AS MATERIALIZED (
  SELECT r.run, r.method, r.duration_ms, r.decision FROM {registry}.refreshes AS r
  WHERE r.project = $1 AND r.schema = $2 AND r.mart = $3 AND r.status = 'success' ORDER BY r.run DESC LIMIT 50)
SELECT (SELECT l.duration_ms / nullif((l.decision ->> 'cost')::float8, 0) FROM last AS l
        WHERE l.decision ->> 'rung' = 'keys' AND l.decision -> 'verified' IS NULL AND l.duration_ms >= 50 AND (l.decision ->> 'cost')::float8 >= 5000
          AND (l.decision ->> 'ratio')::float8 >= 0.1
        ORDER BY l.run DESC LIMIT 1) AS unit,
       (SELECT l.duration_ms FROM last AS l WHERE l.method IN ('merge', 'swap') ORDER BY l.run DESC LIMIT 1) AS whole
