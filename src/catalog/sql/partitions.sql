-- The partitions of relations. One that is being detached is none any more. A bound names no column: it is printed of one that is gone meanwhile, too.
SELECT i.inhparent::bigint AS parent, c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, pg_catalog.pg_get_expr(c.relpartbound, 0) AS bound,
       COALESCE(c.reloptions, '{}'::text[]) || ARRAY(SELECT 'toast.' || o FROM pg_catalog.pg_class x, unnest(x.reloptions) AS o WHERE x.oid = c.reltoastrelid) AS options,
       CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS rows, a.roles, a.privileges, a.grantable
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT array_agg(CASE WHEN g.grantee = 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(g.grantee)::text END ORDER BY g.privilege_type) AS roles,
           array_agg(g.privilege_type ORDER BY g.privilege_type) AS privileges, array_agg(g.is_grantable ORDER BY g.privilege_type) AS grantable
    FROM pg_catalog.aclexplode(c.relacl) AS g WHERE g.grantee <> c.relowner) AS a ON c.relacl IS NOT NULL
WHERE i.inhparent = ANY ($1::bigint[]::oid[]) AND NOT i.inhdetachpending
ORDER BY i.inhparent, c.relname
