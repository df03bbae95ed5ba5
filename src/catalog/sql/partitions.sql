-- The partitions of relations. One that is being detached is none any more.
SELECT i.inhparent::bigint AS parent, c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound,
       COALESCE(c.reloptions, '{}'::text[]) || ARRAY(SELECT 'toast.' || o FROM pg_catalog.pg_class x, unnest(x.reloptions) AS o WHERE x.oid = c.reltoastrelid) AS options
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhparent = ANY ($1::bigint[]::oid[]) AND NOT i.inhdetachpending
ORDER BY i.inhparent, c.relname
