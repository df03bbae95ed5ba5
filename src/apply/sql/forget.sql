-- The rows that dropped marts left give way to marts that take their names.
DELETE FROM {registry}.marts AS m
USING unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r (old_schema, old_name, schema, name)
WHERE m.project = $1 AND m.schema = r.schema AND m.name = r.name AND m.status = 'dropped'
