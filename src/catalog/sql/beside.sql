-- Who has a name that begins as those of a mart's partitions do, and is no partition of it.
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner
FROM unnest($1::text[], $2::text[], $3::text[]) AS w (s, mart, prefix)
JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname >= w.prefix::name AND c.relname <= (w.prefix || pg_catalog.chr(1114111))::name
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relname <> w.mart AND pg_catalog.starts_with(c.relname::text, w.prefix)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
                  WHERE i.inhrelid = c.oid AND p.relnamespace = n.oid AND p.relname = w.mart)
