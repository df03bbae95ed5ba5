-- Who has a name that begins as those of a mart's partitions do, and is no partition of it.
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS relkind,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner
FROM unnest($1::text[], $2::text[], $3::text[]) AS w (s, mart, prefix)
JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname >= w.prefix::name AND c.relname <= (w.prefix || pg_catalog.chr(1114111))::name
LEFT JOIN pg_catalog.pg_class p ON p.relnamespace = n.oid AND p.relname = w.mart
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relname <> w.mart AND pg_catalog.starts_with(c.relname::text, w.prefix)
  -- Its parent is looked up for each: a planner that does not know how many a mart has would go through all of them each time.
  AND ((SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition) = p.oid) IS NOT TRUE
