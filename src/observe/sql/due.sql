-- When marts run next: what daemons said, and NULL where the daemon that said so leads no more.
SELECT d.schema, d.name, n.at
FROM {registry}.due AS d
LEFT JOIN {registry}.due_now AS n ON n.project = d.project AND n.schema = d.schema AND n.mart = d.name
WHERE d.project = $1
