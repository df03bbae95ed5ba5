-- Who may do what on relations and on their columns; the owner's own rights left out.
SELECT c.oid::bigint AS oid, NULL::text AS "column",
       CASE WHEN g.grantee = 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(g.grantee)::text END AS role,
       g.privilege_type AS privilege, g.is_grantable AS grantable
FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS g
WHERE c.oid = ANY ($1::bigint[]::oid[]) AND g.grantee <> c.relowner
UNION ALL
SELECT c.oid::bigint, a.attname::text,
       CASE WHEN g.grantee = 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(g.grantee)::text END,
       g.privilege_type, g.is_grantable
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS g
WHERE c.oid = ANY ($1::bigint[]::oid[]) AND g.grantee <> c.relowner
ORDER BY 1, 3, 2 NULLS FIRST, 4
