-- What other projects in the same registry declared of relations by name.
SELECT m.schema, m.name, m.project, m.declared::text AS declared
FROM {registry}.marts m
JOIN unnest($2::text[], $3::text[]) AS t (s, n) ON m.schema = t.s AND m.name = t.n
WHERE m.project <> $1 AND m.status <> 'dropped'
