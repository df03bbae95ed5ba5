-- One row for each mart; an empty name stands for the whole project. Gives those that are new or others than they were.
INSERT INTO {registry}.overrides AS o (project, schema, name, what, value, file, who)
SELECT $1, m.schema, m.name, $4, $5, $6, $7
FROM unnest($2::text[], $3::text[]) AS m (schema, name)
ON CONFLICT (project, schema, name, what) DO UPDATE
SET value = EXCLUDED.value, file = EXCLUDED.file, who = EXCLUDED.who, at = now()
WHERE (o.value, o.file) IS DISTINCT FROM (EXCLUDED.value, EXCLUDED.file)
RETURNING schema, name
