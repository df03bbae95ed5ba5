-- How the project is as a whole; one row, whether or not a revision was ever tried.
SELECT r.status, r.attempted_at, r.applied_at,
       CASE WHEN pg_catalog.jsonb_typeof(r.drift) = 'array' THEN pg_catalog.jsonb_array_length(r.drift) END AS drifted,
       (SELECT l.epoch FROM {registry}.leaders AS l WHERE l.project = p.project) AS epoch,
       (SELECT pg_catalog.count(*) FROM {registry}.refreshes AS q WHERE q.project = p.project AND q.status = 'queued') AS requests
FROM (SELECT $1::text AS project) AS p
LEFT JOIN {registry}.reconciles AS r ON r.project = p.project
