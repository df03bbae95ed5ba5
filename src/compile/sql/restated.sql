-- The temporary views: canonical text, and the text for people.
SELECT c.relname::text AS name, pg_catalog.pg_get_viewdef(c.oid) AS canonical, pg_catalog.pg_get_viewdef(c.oid, true) AS pretty
FROM pg_catalog.pg_class c
WHERE c.relnamespace = pg_catalog.pg_my_temp_schema() AND c.relkind = 'v'
