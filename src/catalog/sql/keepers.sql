-- What keeps marts as writers commit: its functions, each with what it was when it was made, and whether the trigger fires that
-- calls them. A function that its caller may not call, or whose owner may not do what it does, is not as it was made. The parameters: the registry's schema, what all of it is called.
SELECT p.proname::text AS name,
       pg_catalog.pg_get_userbyid(w.proowner)::text AS caller,
       CASE WHEN may.may IS NOT FALSE THEN
           pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p.prosrc, 'UTF8')), 'hex'), 16)
       ELSE '' END AS body,
       CASE WHEN p.prosecdef THEN pg_catalog.substring(pg_catalog.obj_description(p.oid, 'pg_proc'), '[0-9a-f]{16}$') END AS made,
       EXISTS (
           SELECT FROM pg_catalog.pg_trigger AS t
           JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid AND c.relname = $2 AND c.relnamespace = n.oid
           JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid AND f.proname = $2 AND f.pronamespace = n.oid
           WHERE t.tgenabled = 'A' AND t.tgdeferrable AND t.tginitdeferred AND t.tgtype = 5 AND t.tgqual IS NULL
       ) AND EXISTS (
           SELECT FROM pg_catalog.pg_class AS c WHERE c.relname = $2 || '_locks' AND c.relnamespace = n.oid AND c.relkind = 'r'
       ) AND EXISTS (
           SELECT FROM pg_catalog.pg_proc AS f WHERE f.proname = $2 || '_pinned' AND f.pronamespace = n.oid AND f.pronargs = 0 AND f.prosecdef
       ) AS works
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid AND pg_catalog.starts_with(p.proname::text, $2)
LEFT JOIN pg_catalog.pg_proc AS w ON w.pronamespace = n.oid AND w.proname = $2 || '_work' AND w.pronargs = 0
LEFT JOIN pg_catalog.pg_class AS l ON l.relnamespace = n.oid AND l.relname = $2 || '_locks' AND l.relkind = 'r'
CROSS JOIN LATERAL (
    SELECT pg_catalog.has_function_privilege(w.proowner, p.oid, 'EXECUTE')
       AND pg_catalog.has_schema_privilege(p.proowner, n.oid, 'USAGE')
       AND CASE WHEN p.proname IN ($2, $2 || '_work', $2 || '_pinned')
           THEN pg_catalog.has_table_privilege(p.proowner, l.oid, 'UPDATE')
           ELSE pg_catalog.has_any_column_privilege(p.proowner, l.oid, 'UPDATE') END
) AS may (may)
WHERE n.nspname = $1
ORDER BY p.proname
