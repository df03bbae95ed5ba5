-- The versions of one project's marts. As JSON: a registry that is not migrated yet lacks some columns.
SELECT v.schema, v.name, v.version, v.published, v.created_at, v.declared::text AS declared,
       to_jsonb(v) ->> 'applied' AS applied, (to_jsonb(v) ->> 'oid')::bigint AS relation, to_jsonb(v) ->> 'revision' AS revision
FROM {registry}.versions AS v
WHERE v.project = $1
ORDER BY v.schema, v.name, v.version
