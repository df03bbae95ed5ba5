-- The indexes of the temporary tables: canonical text, and the text for people.
SELECT c.relname::text AS name, pg_catalog.pg_get_indexdef(i.indexrelid) AS canonical, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true) AS pretty
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = pg_catalog.pg_my_temp_schema()
