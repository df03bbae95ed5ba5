-- The logs of a project that a crash emptied; NULL for one without a table to write to.
SELECT CASE WHEN EXISTS (
    SELECT FROM pg_catalog.pg_class AS g
    WHERE g.relname = c.log || '_0'
      AND g.relnamespace = (SELECT m.relnamespace FROM pg_catalog.pg_class AS m WHERE m.oid = '{registry}.captures'::pg_catalog.regclass)
) THEN c.log END AS log
FROM {registry}.captures AS c
WHERE c.project = $1 AND NOT c.logged AND NOT EXISTS (
    SELECT FROM {registry}.sentinels AS s
    WHERE s.project = c.project AND s.schema = c.schema AND s.name = c.name AND s.generation = c.generation
)
