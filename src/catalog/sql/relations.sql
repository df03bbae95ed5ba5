-- Relations by name: marts, what they read, and names they will need. Definitions only where the flag asks.
-- What takes a lock on the relation, and so may wait, only where the last one does.
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       d.description AS comment,
       COALESCE(c.reloptions, '{}'::text[]) || ARRAY(SELECT 'toast.' || o FROM pg_catalog.pg_class x, unnest(x.reloptions) AS o WHERE x.oid = c.reltoastrelid) AS options,
       s.spcname::text AS tablespace,
       c.relispopulated AS populated,
       c.relpersistence = 't' AS temporary, c.relpersistence = 'u' AND c.relkind = 'r' AS unlogged,
       (SELECT m.amname::text FROM pg_catalog.pg_am m WHERE m.oid = c.relam AND c.relkind IN ('r', 'm') AND m.amname <> current_setting('default_table_access_method'))
         AS access_method,
       CASE WHEN w.managed AND c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END AS definition,
       CASE WHEN c.relpages > 0 OR NOT $4 THEN false WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) = 0 ELSE false END AS empty,
       c.reltuples::float8 AS tuples,
       c.relpages::bigint AS pages,
       CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partitioned_by,
       EXISTS (SELECT 1 FROM pg_catalog.pg_depend e
                WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e') AS extension
FROM (SELECT DISTINCT ON (t.s, t.n) t.s, t.n, t.m AS managed FROM unnest($1::text[], $2::text[], $3::bool[]) AS t (s, n, m)
       ORDER BY t.s, t.n, t.m DESC) AS w
JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.n
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S', 'i', 'I', 'c')
