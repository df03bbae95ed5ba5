-- Which logs have what a snapshot did not see, and whether each is the one that was made.
WITH changed AS (
{changed}
)
SELECT pg_catalog.pg_current_snapshot()::text AS snapshot, c.log, c.generation::text AS generation,
       coalesce(c.logged OR s.generation = c.generation, false) AS whole, c.log IN (SELECT log FROM changed) AS changed
FROM (SELECT) AS always
LEFT JOIN {registry}.captures AS c ON c.project = $1
LEFT JOIN {registry}.sentinels AS s USING (project, schema, name)
