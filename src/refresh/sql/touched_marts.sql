-- Marts with a source that was written to by a transaction that their last good refresh did not see.
SELECT DISTINCT w.schema, w.name
FROM unnest($2::text[], $3::text[], $4::bigint[]) AS w (schema, name, source)
LEFT JOIN LATERAL (
    SELECT r.snapshot::pg_catalog.pg_snapshot AS snapshot FROM {registry}.refreshes AS r
    WHERE r.project = $1 AND r.schema = w.schema AND r.mart = w.name AND r.status IN ('success', 'noop') AND r.snapshot IS NOT NULL
    ORDER BY r.run DESC LIMIT 1
) AS l ON true
WHERE EXISTS (
    SELECT FROM {registry}.touched AS t
    WHERE t.source = w.source::oid AND (l.snapshot IS NULL OR NOT pg_catalog.pg_visible_in_snapshot(t.xid, l.snapshot))
)
