-- Roots by name, and everything below them that those who read them lock: partitions and children; of views, what they select from.
WITH RECURSIVE roots AS (
  SELECT DISTINCT c.oid AS root
  FROM unnest($1::text[], $2::text[]) AS w (s, n)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.n
  WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
), below AS (
  SELECT root, root AS oid FROM roots
  UNION
  SELECT b.root, x.oid
  FROM below b
  CROSS JOIN LATERAL (
    SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits i WHERE i.inhparent = b.oid
    UNION ALL
    SELECT d.refobjid
    FROM pg_catalog.pg_class v
    JOIN pg_catalog.pg_rewrite w ON w.ev_class = v.oid
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
                               AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> v.oid
    JOIN pg_catalog.pg_class r ON r.oid = d.refobjid AND r.relkind IN ('r', 'v', 'm', 'p', 'f')
    WHERE v.oid = b.oid AND v.relkind = 'v'
  ) AS x
)
SELECT b.root::bigint AS root, b.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relfilenode::bigint AS filenode,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END AS rows_bytes,
       CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_total_relation_size(c.oid) ELSE 0 END AS bytes
FROM below b
JOIN pg_catalog.pg_class c ON c.oid = b.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
