-- The relations of all marts, of whatever project: their own, and those of versions.
SELECT schema, name, project, NULL::text AS relation, coalesce(declared -> 'versions', 'null') <> 'null' AS versioned
FROM {registry}.marts WHERE status <> 'dropped'
UNION ALL
SELECT schema, name, project, relation, true FROM {registry}.versions
