-- What triggered marts of any project have not seen. Under the lock of the table everything in it is committed, so a run that
-- begins later sees all of it, and one row for each source says enough; one that is at work may see some of it.
WITH last AS (
    SELECT DISTINCT coalesce(l.snapshot, '1:1:')::pg_catalog.pg_snapshot::text AS snapshot, w.at_work
    FROM {registry}.marts AS m
    LEFT JOIN LATERAL (
        SELECT r.snapshot FROM {registry}.refreshes AS r
        WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name
          AND r.status IN ('success', 'noop') AND r.snapshot IS NOT NULL
        ORDER BY r.run DESC LIMIT 1
    ) AS l ON true
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM {registry}.refreshes AS r
            WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status = 'running'
        ) AS at_work
    ) AS w
    WHERE m.status <> 'dropped' AND m.declared #>> '{refresh,strategy}' = 'triggered'
), unseen AS (
    SELECT DISTINCT l.snapshot, l.at_work, t.source, t.xid
    FROM last AS l
    JOIN {registry}.touched AS t
      ON t.source <> 0 AND NOT pg_catalog.pg_visible_in_snapshot(t.xid, l.snapshot::pg_catalog.pg_snapshot)
)
SELECT source::bigint AS source, xid::text AS xid FROM unseen WHERE at_work
UNION
(SELECT DISTINCT ON (snapshot, source) source::bigint, xid::text FROM unseen WHERE NOT at_work ORDER BY snapshot, source, unseen.xid DESC)
