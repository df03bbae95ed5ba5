-- What stands behind relations that a query reads: views with their texts, tables, and the functions that somebody made and these
-- views use, also as operators.
WITH RECURSIVE walk (oid) AS (
    SELECT c.oid
    FROM unnest($1::text[], $2::text[]) AS w (schema, name)
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
    UNION
    SELECT d.refobjid
    FROM walk AS w
    JOIN pg_catalog.pg_class AS v ON v.oid = w.oid AND v.relkind = 'v'
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid AND r.ev_type = '1'
    JOIN pg_catalog.pg_depend AS d
      ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
     AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid AND d.deptype = 'n'
)
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END AS definition,
       coalesce(f.signatures, '{}') AS signatures, coalesce(f.volatilities, '{}') AS volatilities
FROM walk AS w
JOIN pg_catalog.pg_class AS c ON c.oid = w.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT p.oid::regprocedure::text) AS signatures, array_agg(DISTINCT p.provolatile::text) AS volatilities
    FROM pg_catalog.pg_rewrite AS r
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
    LEFT JOIN pg_catalog.pg_operator AS o ON d.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oid = d.refobjid
    JOIN pg_catalog.pg_proc AS p
      ON p.oid = CASE WHEN d.refclassid = 'pg_catalog.pg_proc'::regclass THEN d.refobjid ELSE o.oprcode::oid END
    WHERE c.relkind = 'v' AND r.ev_class = c.oid AND p.oid >= 16384) AS f
ORDER BY n.nspname, c.relname
