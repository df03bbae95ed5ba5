-- Columns of relations, in order.
SELECT a.attrelid::bigint AS oid, a.attnum AS number, a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null,
       CASE WHEN a.attcollation <> t.typcollation THEN (SELECT pg_catalog.format('%I.%I', n.nspname, c.collname)
              FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation) END AS collation,
       d.description AS comment, NULLIF(a.attstattarget, -1)::int AS statistics,
       CASE WHEN a.attstorage <> t.typstorage OR a.attcompression <> '' OR a.attoptions IS NOT NULL
            THEN ARRAY(SELECT w.setting FROM (VALUES
              (CASE WHEN a.attstorage <> t.typstorage
                    THEN 'storage:SET STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END),
              (CASE a.attcompression WHEN 'p' THEN 'compression:SET COMPRESSION pglz' WHEN 'l' THEN 'compression:SET COMPRESSION lz4' END),
              ('options:SET (' || array_to_string(ARRAY(SELECT format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1))
                                                          FROM unnest(a.attoptions) AS o), ', ') || ')')
            ) AS w (setting) WHERE w.setting <> 'options:SET ()') END AS settings
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_description d
       ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum
WHERE a.attrelid = ANY ($1::bigint[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
