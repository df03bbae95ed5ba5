-- Of every mart of a project: its last run, the last one that left it up to date, and the one that was skipped if none came after it.
SELECT 'last' AS which, r.*
FROM {registry}.marts AS m
CROSS JOIN LATERAL (
  SELECT {columns} FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status NOT IN ('queued', 'skipped')
  ORDER BY r.run DESC LIMIT 1) AS r
WHERE m.project = $1 AND m.status <> 'dropped'
UNION ALL
SELECT 'good', r.*
FROM {registry}.marts AS m
CROSS JOIN LATERAL (
  SELECT {columns} FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status IN ('success', 'noop')
  ORDER BY r.run DESC LIMIT 1) AS r
WHERE m.project = $1 AND m.status <> 'dropped'
UNION ALL
SELECT 'skipped', r.*
FROM {registry}.marts AS m
CROSS JOIN LATERAL (
  SELECT {columns} FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status <> 'queued'
  ORDER BY r.run DESC LIMIT 1) AS r
WHERE m.project = $1 AND m.status <> 'dropped' AND r.status = 'skipped'
