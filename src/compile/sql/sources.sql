-- Relations that queries read: what they are, and what keeps their changes from being followed.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END AS definition,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       ARRAY(SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS types,
       ARRAY(SELECT (SELECT pg_catalog.format('%I.%I', m.nspname, k.collname)
                       FROM pg_catalog.pg_collation k JOIN pg_catalog.pg_namespace m ON m.oid = k.collnamespace
                      WHERE k.oid = a.attcollation AND a.attcollation <> t.typcollation)
               FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS collations,
       ARRAY(SELECT (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.place)
                       FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                      WHERE k.place <= i.indnkeyatts)
               FROM pg_catalog.pg_index i
              WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
              ORDER BY NOT i.indisprimary, i.indexrelid) AS keys,
       c.relpersistence = 't' AS temporary, c.relispartition AS partition, c.relrowsecurity AS secured,
       c.relkind = 'r' AND NOT c.relispartition AND EXISTS (
         SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid OR h.inhparent = c.oid) AS inherits,
       -- A write that is routed to one fails where a trigger wants its rows.
       CASE WHEN c.relkind = 'p' THEN (
         SELECT pg_catalog.format('%I.%I', m.nspname, f.relname)
           FROM pg_catalog.pg_partition_tree(c.oid) p JOIN pg_catalog.pg_class f ON f.oid = p.relid AND f.relkind = 'f'
           JOIN pg_catalog.pg_namespace m ON m.oid = f.relnamespace ORDER BY 1 LIMIT 1) END AS foreign_part,
       ARRAY(SELECT r.name FROM pg_catalog.unnest($3::text[]) AS r(name)
              WHERE NOT pg_catalog.has_any_column_privilege(r.name, c.oid, 'SELECT')) AS denied
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[]))
