-- What default privileges will give to new relations, by the role that creates them.
SELECT pg_catalog.pg_get_userbyid(d.defaclrole)::text AS owner,
       n.nspname::text AS schema,
       CASE WHEN g.grantee = 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(g.grantee)::text END AS role
FROM pg_catalog.pg_default_acl d
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS g
WHERE d.defaclobjtype = 'r' AND g.grantee <> d.defaclrole
GROUP BY 1, 2, 3
ORDER BY 1, 2 NULLS FIRST, 3
