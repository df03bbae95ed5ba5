-- The logs of a project that this role can read here and no crash emptied, and their bytes.
SELECT c.schema, c.name, pg_catalog.sum(pg_catalog.pg_relation_size(g.oid))::bigint AS bytes
FROM {registry}.captures AS c
JOIN pg_catalog.pg_class AS g
  ON g.relname = ANY (ARRAY[c.log || '_0', c.log || '_1', c.log || '_2'])
 AND g.relnamespace = (SELECT m.relnamespace FROM pg_catalog.pg_class AS m WHERE m.oid = '{registry}.captures'::pg_catalog.regclass)
 AND pg_catalog.has_table_privilege(g.oid, 'SELECT')
WHERE c.project = $1
  AND (c.logged OR {filled})
GROUP BY c.schema, c.name
HAVING pg_catalog.count(*) = 3
