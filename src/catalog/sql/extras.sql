-- What else hangs on relations and would not follow a relation that takes their place.
SELECT t.tgrelid::bigint AS oid, CASE WHEN t.tgtype & 64 <> 0 THEN 'INSTEAD OF trigger ' ELSE 'trigger ' END || quote_ident(t.tgname) AS what
FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND t.tgrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT p.polrelid::bigint, 'policy ' || quote_ident(p.polname)
FROM pg_catalog.pg_policy p WHERE p.polrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT s.stxrelid::bigint, 'statistics ' || quote_ident(s.stxname)
FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT r.prrelid::bigint, 'publication ' || quote_ident(u.pubname)
FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication u ON u.oid = r.prpubid
WHERE r.prrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT w.ev_class::bigint, 'rule ' || quote_ident(w.rulename)
FROM pg_catalog.pg_rewrite w WHERE w.rulename <> '_RETURN' AND w.ev_class = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT DISTINCT l.objoid::bigint, 'security label of ' || l.provider
FROM pg_catalog.pg_seclabel l WHERE l.classoid = 'pg_catalog.pg_class'::regclass AND l.objoid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT c.oid::bigint, 'replica identity'
FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::bigint[]::oid[]) AND c.relreplident NOT IN ('d', 'n')
UNION ALL
SELECT c.oid::bigint, 'row security'
FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::bigint[]::oid[]) AND c.relrowsecurity
UNION ALL
SELECT k.conrelid::bigint, 'constraint ' || quote_ident(k.conname)
FROM pg_catalog.pg_constraint k
WHERE k.contype IN ('c', 'u', 'x', 'f') AND k.conrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT c.oid::bigint, 'access method ' || quote_ident(m.amname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am m ON m.oid = c.relam
WHERE m.amname <> 'heap' AND c.relkind IN ('r', 'm') AND c.oid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT i.indrelid::bigint, 'clustering on ' || quote_ident(x.relname)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
WHERE i.indisclustered AND c.relkind = 'r' AND i.indrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT i.indrelid::bigint, 'statistics target of index ' || quote_ident(x.relname)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid
WHERE a.attstattarget >= 0 AND i.indrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT i.inhparent::bigint, 'child ' || i.inhrelid::regclass
FROM pg_catalog.pg_inherits i WHERE i.inhparent = ANY ($1::bigint[]::oid[])
ORDER BY 1, 2
