-- Up to where the marts that follow a table have seen it: those that follow its changes by their positions (one without is computed
-- whole next time), triggered ones by their last good refresh, found through the views they read.
WITH RECURSIVE triggered AS (
    SELECT m.schema, m.name, m.applied FROM {registry}.marts AS m
    WHERE m.project = $1 AND m.status <> 'dropped' AND m.declared #>> '{refresh,strategy}' = 'triggered'
), walk (schema, mart, oid) AS (
    SELECT t.schema, t.name, c.oid
    FROM triggered AS t
    CROSS JOIN LATERAL pg_catalog.jsonb_each(coalesce(t.applied -> 'reads', '{}'::jsonb)) AS r (address, read)
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = r.read -> 'name' ->> 'schema'
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = r.read -> 'name' ->> 'name'
    UNION
    SELECT w.schema, w.mart, d.refobjid
    FROM walk AS w
    JOIN pg_catalog.pg_class AS v ON v.oid = w.oid AND v.relkind = 'v'
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid AND r.ev_type = '1'
    JOIN pg_catalog.pg_depend AS d
      ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
     AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid AND d.deptype = 'n'
)
SELECT p.schema, p.name, p.snapshot::text AS snapshot, p.xid::text AS xid, true AS position,
       -- Versions that nobody reads any more do not count, nor marts that only tell by the log that nothing changed.
       EXISTS (SELECT FROM {registry}.marts AS m WHERE m.project = $1 AND m.schema = p.schema AND m.name = p.name AND m.status <> 'dropped'
               AND m.applied -> 'changes' IS NOT NULL)
       OR EXISTS (SELECT FROM {registry}.versions AS v WHERE v.project = $1 AND v.published AND v.applied -> 'changes' IS NOT NULL
                  AND v.declared #>> '{name,schema}' = p.schema AND v.declared #>> '{name,name}' = p.name) AS counts
FROM {registry}.positions AS p
WHERE p.project = $1
  AND p.fingerprint::jsonb -> 'sources' @> pg_catalog.jsonb_build_array(
      pg_catalog.jsonb_build_object('table', pg_catalog.format('%I.%I', $2::text, $3::text)))
UNION ALL
SELECT w.schema, w.mart, coalesce(l.snapshot, '1:1:'), NULL, false, true
FROM (
    SELECT DISTINCT w.schema, w.mart FROM walk AS w
    JOIN pg_catalog.pg_class AS c ON c.oid = w.oid AND c.relname = $3
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = $2
) AS w
LEFT JOIN LATERAL (
    SELECT r.snapshot FROM {registry}.refreshes AS r
    WHERE r.project = $1 AND r.schema = w.schema AND r.mart = w.mart AND r.status IN ('success', 'noop') AND r.snapshot IS NOT NULL
    ORDER BY r.run DESC LIMIT 1
) AS l ON true
