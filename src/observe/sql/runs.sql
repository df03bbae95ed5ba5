-- Some runs of a project.
SELECT {columns}
FROM {registry}.refreshes AS r
WHERE r.project = $1 AND r.run = ANY ($2::bigint[])
ORDER BY r.run
