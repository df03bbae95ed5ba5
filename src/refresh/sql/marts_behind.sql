-- Triggered marts, what the last good refresh of each has seen, and whether a crash emptied their log, or it was made,
-- after that.
WITH before AS (
    SELECT w.schema, w.name, w.log, l.snapshot::pg_catalog.pg_snapshot AS snapshot,
           coalesce(c.renewed_at > coalesce(l.started_at, '-infinity') OR c.made_at > l.started_at, false) AS renewed
    FROM unnest($2::text[], $3::text[], $4::text[]) AS w (schema, name, log)
    LEFT JOIN {registry}.captures AS c ON c.project = $1 AND c.log = w.log
    LEFT JOIN LATERAL (
        SELECT r.snapshot, r.started_at FROM {registry}.refreshes AS r
        WHERE r.project = $1 AND r.schema = w.schema AND r.mart = w.name AND r.status IN ('success', 'noop') AND r.snapshot IS NOT NULL
        ORDER BY r.run DESC LIMIT 1
    ) AS l ON true
)
{each}
