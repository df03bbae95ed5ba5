-- Views whose rows depend on the session's time zone: they read the clock's date, or do with a time that knows its zone what is
-- STABLE, or print it.
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_rewrite w ON w.ev_class = c.oid AND w.ev_type = '1'
CROSS JOIN LATERAL (SELECT w.ev_action::text AS tree) AS t
WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[]))
  AND (t.tree LIKE '%{SQLVALUEFUNCTION %'
       -- timestamptz, timetz
       OR t.tree ~ ':(vartype|consttype|funcresulttype|opresulttype|resulttype) (1184|1266) '
          AND (t.tree LIKE '%{COERCEVIAIO %'
               OR EXISTS (SELECT FROM pg_catalog.regexp_matches(t.tree, ':(?:funcid|opfuncid) ([0-9]+) ', 'g') AS m (ids)
                          JOIN pg_catalog.pg_proc p ON p.oid = m.ids[1]::oid
                          WHERE p.provolatile <> 'i' AND p.oid <> 'pg_catalog.now()'::regprocedure)))
