-- The tables behind relations, through views and inheritance, and whether our trigger is on them; then, without a root, wherever
-- else that trigger is.
WITH RECURSIVE walk (root, oid, child) AS (
    SELECT c.oid, c.oid, false
    FROM unnest($1::text[], $2::text[]) AS w (schema, name)
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
    UNION
    SELECT w.root, x.oid, w.child OR x.child
    FROM walk AS w
    CROSS JOIN LATERAL (
        SELECT d.refobjid, false
        FROM pg_catalog.pg_class AS v
        JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid AND r.ev_type = '1'
        JOIN pg_catalog.pg_depend AS d
          ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
         AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid AND d.deptype = 'n'
        WHERE v.oid = w.oid AND v.relkind = 'v'
        UNION ALL
        SELECT i.inhrelid, true FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = w.oid
    ) AS x (oid, child)
), ours AS (
    SELECT t.tgrelid, t.tgenabled, f.ours AND t.tgtype = 60 AND t.tgqual IS NULL AND t.tgattr::text = '' AS as_made, f.ours
    FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    CROSS JOIN LATERAL (SELECT p.proname = $5 AND n.nspname = $4 AS ours) AS f
    WHERE t.tgname = $3 AND NOT t.tgisinternal
), found (root, oid, child) AS (
    SELECT root, oid, bool_and(child) FROM walk GROUP BY root, oid
    UNION ALL
    SELECT NULL, o.tgrelid, false FROM ours AS o WHERE o.ours AND o.tgrelid NOT IN (SELECT oid FROM walk)
)
SELECT rn.nspname::text AS root_schema, r.relname::text AS root_name, c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       c.relkind::text AS relkind, pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned, f.child, o.as_made, o.tgenabled::text AS enabled
FROM found AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.oid AND c.relkind IN ('r', 'p', 'f', 'm')
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
LEFT JOIN pg_catalog.pg_class AS r ON r.oid = f.root
LEFT JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
LEFT JOIN ours AS o ON o.tgrelid = c.oid
ORDER BY n.nspname, c.relname
