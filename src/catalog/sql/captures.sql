-- The tables behind relations, through views, with the tables whose statements write to them, too: what they are parts of, and
-- their parts; then whatever else has triggers of this registry's logs.
WITH RECURSIVE walk (root, oid) AS (
    SELECT c.oid, c.oid
    FROM unnest($1::text[], $2::text[]) AS w (schema, name)
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
    JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
    UNION
    SELECT w.root, d.refobjid
    FROM walk AS w
    JOIN pg_catalog.pg_class AS v ON v.oid = w.oid AND v.relkind = 'v'
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid AND r.ev_type = '1'
    JOIN pg_catalog.pg_depend AS d
      ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
     AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid AND d.deptype = 'n'
), read (root, oid) AS (
    SELECT w.root, w.oid FROM walk AS w JOIN pg_catalog.pg_class AS c ON c.oid = w.oid AND c.relkind IN ('r', 'p', 'f', 'm')
), parts (source, oid) AS (
    SELECT DISTINCT oid, oid FROM read
    UNION
    SELECT p.source, i.inhrelid FROM parts AS p JOIN pg_catalog.pg_inherits AS i ON i.inhparent = p.oid
), wholes (source, oid) AS (
    SELECT DISTINCT oid, oid FROM read
    UNION
    SELECT w.source, i.inhparent FROM wholes AS w JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = w.oid
), family AS (
    SELECT source, oid FROM parts UNION SELECT source, oid FROM wholes
), ours AS (
    SELECT t.tgrelid AS oid, array_agg(p.proname::text ORDER BY t.tgname) AS logs,
           array_agg(concat_ws(' ', t.tgtype, t.tgenabled, coalesce(t.tgoldtable, '-'), coalesce(t.tgnewtable, '-'),
                               CASE WHEN t.tgqual IS NOT NULL OR t.tgattr::text <> '' OR t.tgnargs > 0 THEN 'other' END, t.tgname)
                     ORDER BY t.tgname) AS triggers
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname = $3
    JOIN pg_catalog.pg_trigger AS t ON t.tgfoid = p.oid AND NOT t.tgisinternal
    WHERE p.proname LIKE 'changes\_%'
    GROUP BY t.tgrelid
)
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
       EXISTS (SELECT FROM pg_catalog.pg_subscription_rel AS s WHERE s.srrelid = c.oid) AS subscribed,
       ARRAY(SELECT rn.nspname::text FROM read AS r JOIN pg_catalog.pg_class AS rc ON rc.oid = r.root
             JOIN pg_catalog.pg_namespace AS rn ON rn.oid = rc.relnamespace WHERE r.oid = c.oid ORDER BY r.root) AS root_schemas,
       ARRAY(SELECT rc.relname::text FROM read AS r JOIN pg_catalog.pg_class AS rc ON rc.oid = r.root
             JOIN pg_catalog.pg_namespace AS rn ON rn.oid = rc.relnamespace WHERE r.oid = c.oid ORDER BY r.root) AS root_names,
       ARRAY(SELECT f.source::bigint FROM family AS f WHERE f.oid = c.oid) AS sources,
       coalesce(o.logs, '{}') AS logs, coalesce(o.triggers, '{}') AS triggers
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
LEFT JOIN ours AS o ON o.oid = c.oid
WHERE c.relkind IN ('r', 'p', 'f', 'm') AND (o.oid IS NOT NULL OR c.oid IN (SELECT oid FROM family))
ORDER BY n.nspname, c.relname
