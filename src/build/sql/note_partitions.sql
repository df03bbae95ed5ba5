-- Notes when the partitions of a relation were built: those that are new, and those, by number, whose rows were written anew in
-- place. What was built before anybody noted it has been vacuumed or analysed then. Those that are gone are forgotten. Nobody
-- waits for it to be on disk where the last parameter says so.
WITH there AS (
    SELECT i.inhrelid AS relation FROM pg_catalog.pg_inherits AS i
    WHERE i.inhparent = pg_catalog.to_regclass($1) AND NOT i.inhdetachpending
), gone AS (
    DELETE FROM {registry}.partitions AS p
    WHERE p.parent = pg_catalog.to_regclass($1)::pg_catalog.oid AND p.relation NOT IN (SELECT relation FROM there)
       OR NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = p.parent)
)
INSERT INTO {registry}.partitions AS p (parent, relation, built_at)
SELECT pg_catalog.to_regclass($1), t.relation,
       COALESCE(pg_catalog.pg_stat_get_last_vacuum_time(t.relation), pg_catalog.pg_stat_get_last_analyze_time(t.relation),
                pg_catalog.clock_timestamp())
FROM there AS t
WHERE t.relation::bigint = ANY ($2)
   OR NOT EXISTS (SELECT FROM {registry}.partitions AS k WHERE k.parent = pg_catalog.to_regclass($1)::pg_catalog.oid AND k.relation = t.relation)
ON CONFLICT (parent, relation) DO UPDATE SET built_at = pg_catalog.clock_timestamp()
RETURNING CASE WHEN $3 THEN pg_catalog.set_config('synchronous_commit', 'off', true) END AS quick
