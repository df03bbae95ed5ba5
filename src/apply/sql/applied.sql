SELECT schema, name, applied::text AS applied FROM {registry}.marts
WHERE project = $1 AND (schema, name) IN (SELECT * FROM unnest($2::text[], $3::text[])) AND applied IS NOT NULL
