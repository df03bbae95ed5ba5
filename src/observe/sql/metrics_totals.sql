SELECT t.schema, t.mart, t.status, t.runs, t.seconds, t.buckets, t.finished_at FROM {registry}.totals AS t
WHERE t.project = $1
ORDER BY t.schema COLLATE "C", t.mart COLLATE "C", t.status COLLATE "C"
