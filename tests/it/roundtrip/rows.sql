-- The catalog's own rows of everything but the registry, by the transaction that wrote each: what touches a relation shows here.
SELECT string_agg(line, E'\n' ORDER BY line) FROM (
  SELECT format('%s %s %s %s %s', c.oid::regclass, c.oid, c.xmin, c.relfilenode, c.relacl)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> 'datamart' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL SELECT format('%s.%s %s %s', a.attrelid::regclass, a.attname, a.xmin, a.attacl)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname <> 'datamart' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL SELECT format('%s %s: %s', w.ev_class::regclass, w.rulename, w.xmin)
  FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname <> 'datamart' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
) AS t (line)
