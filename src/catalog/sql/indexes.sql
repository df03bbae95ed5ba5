-- Indexes of relations, with the text PostgreSQL gives each. That takes a lock on the relation: unless the flag asks for it at any
-- price, there is none while somebody keeps everybody from it. Key columns by number, 0 for expressions.
SELECT i.indrelid::bigint AS oid, c.relname::text AS name,
       CASE WHEN $2 OR i.indrelid <> ALL (ARRAY(
              SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
               AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())))
            THEN pg_catalog.pg_get_indexdef(i.indexrelid) ELSE '' END AS definition,
       i.indisunique AS "unique", i.indisprimary AS "primary", i.indisvalid AS valid, i.indisclustered AS clustered,
       i.indpred IS NOT NULL AS partial, i.indexprs IS NOT NULL AS expressions,
       s.spcname::text AS tablespace,
       k.conname::text AS "constraint",
       (SELECT d.description FROM pg_catalog.pg_description d
         WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = i.indexrelid AND d.objsubid = 0) AS comment,
       (i.indkey::int2[])[0:i.indnkeyatts - 1] AS keys
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
WHERE i.indrelid = ANY ($1::bigint[]::oid[])
ORDER BY i.indrelid, c.relname
