-- When the last refresh began that left the mart up to date; else when the mart was first applied.
SELECT coalesce(
  (SELECT r.started_at FROM {registry}.refreshes AS r
   WHERE r.project = $1 AND r.schema = $2 AND r.mart = $3 AND r.status IN ('success', 'noop')
   ORDER BY r.run DESC LIMIT 1),
  (SELECT m.created_at FROM {registry}.marts AS m WHERE m.project = $1 AND m.schema = $2 AND m.name = $3))::text
