-- Runs of a project, newest first; of one mart, or of all.
SELECT {columns}
FROM {registry}.refreshes AS r
WHERE r.project = $1 AND ($2::text IS NULL OR (r.schema = $2 AND r.mart = $3))
ORDER BY r.run DESC
LIMIT $4
