-- The rows that dropped marts left give way to marts that take their names.
WITH positions AS (
  DELETE FROM {registry}.positions AS p
  USING unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r (old_schema, old_name, schema, name)
  WHERE p.project = $1 AND p.schema = r.schema AND p.name = r.name
    AND NOT EXISTS (SELECT FROM {registry}.marts AS m WHERE m.project = $1 AND m.schema = p.schema AND m.name = p.name AND m.status <> 'dropped')
)
DELETE FROM {registry}.marts AS m
USING unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r (old_schema, old_name, schema, name)
WHERE m.project = $1 AND m.schema = r.schema AND m.name = r.name AND m.status = 'dropped'
