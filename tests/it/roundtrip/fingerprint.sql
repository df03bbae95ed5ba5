-- All that a manifest says of views and materialized views, and what follows from it, one line each.
WITH marts AS (
  SELECT c.*, format('%I.%I', n.nspname, c.relname) AS title
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('datamart', 'information_schema') AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), lines (title, what) AS (
  SELECT title, format('%s of %s in %s, %s, %s: %s', relkind, pg_get_userbyid(relowner),
                       (SELECT spcname FROM pg_tablespace t WHERE t.oid = reltablespace),
                       (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(reloptions) AS o),
                       (SELECT string_agg(o, ', ' ORDER BY o) FROM pg_class x, unnest(x.reloptions) AS o WHERE x.oid = m.reltoastrelid),
                       obj_description(oid, 'pg_class'))
  FROM marts m
  UNION ALL SELECT title, 'query ' || pg_temp.settled(pg_get_viewdef(oid)) FROM marts
  UNION ALL SELECT title, format('column %s %s %s %s: %s', attnum, attname, format_type(atttypid, atttypmod), attcollation::regcollation,
                                 col_description(attrelid, attnum))
  FROM marts m JOIN pg_attribute a ON a.attrelid = m.oid AND attnum > 0
  UNION ALL SELECT title, format('index %s, %s, %s', pg_temp.settled(i), (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(x.reloptions) AS o), (SELECT spcname FROM pg_tablespace t WHERE t.oid = x.reltablespace))
  FROM marts m JOIN pg_index i ON i.indrelid = m.oid AND i.indisvalid JOIN pg_class x ON x.oid = indexrelid
  UNION ALL SELECT title, format('%s to %s, %s', privilege_type, CASE grantee WHEN 0 THEN 'all' ELSE quote_ident(pg_get_userbyid(grantee)) END, is_grantable)
  FROM marts m, aclexplode(relacl) WHERE grantee <> relowner
  UNION ALL SELECT title, format('%s of %s to %s, %s', privilege_type, attname, CASE grantee WHEN 0 THEN 'all' ELSE quote_ident(pg_get_userbyid(grantee)) END, is_grantable)
  FROM marts m JOIN pg_attribute a ON a.attrelid = m.oid, aclexplode(attacl) WHERE grantee <> relowner
)
SELECT string_agg(format('%s %s', title, what), E'\n' ORDER BY title, what) FROM lines
