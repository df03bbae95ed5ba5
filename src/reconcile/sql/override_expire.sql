-- Schedules whose mart's file is another one now, or declares it no more.
DELETE FROM {registry}.overrides AS o
WHERE o.project = $1 AND o.what = 'schedule' AND o.file IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM unnest($2::text[], $3::text[], $4::text[]) AS m (schema, name, file)
      WHERE (m.schema, m.name, m.file) = (o.schema, o.name, o.file)
  )
RETURNING schema, name
