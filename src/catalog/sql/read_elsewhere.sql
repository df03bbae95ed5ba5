-- Which marts of other projects in the same registry read relations by name.
SELECT DISTINCT m.schema, m.name, m.project, t.s AS read_schema, t.n AS read_name
FROM {registry}.marts AS m
CROSS JOIN LATERAL pg_catalog.jsonb_each(m.applied -> 'reads') AS r (address, read)
JOIN unnest($2::text[], $3::text[]) AS t (s, n) ON t.s = r.read #>> '{name,schema}' AND t.n = r.read #>> '{name,name}'
WHERE m.project <> $1 AND m.status <> 'dropped'
ORDER BY m.schema, m.name
