-- What else hangs on relations, as the server prints it, so that it can be made again on what takes their place. `head` and `tail` stand before
-- and behind the relation's name; where `cut` says so, the name follows the first word of that kind in `head`.
-- Of what was dropped since the snapshot was taken the server prints nothing.
WITH found AS (
SELECT t.tgrelid AS rel, 'pg_catalog.pg_trigger'::regclass AS class, t.oid AS object, 'trigger' AS kind,
       CASE WHEN t.tgtype & 64 <> 0 THEN 'INSTEAD OF trigger ' ELSE 'trigger ' END || quote_ident(t.tgname) AS what,
       t.tgname::text AS name, NULL::text AS schema, NULL::text AS relation, 'ON' AS cut, pg_catalog.pg_get_triggerdef(t.oid) AS head, NULL::text AS tail,
       t.tgenabled::text AS state, NULL::text AS owner, NULL::text[] AS columns,
       CASE WHEN NOT pg_catalog.has_function_privilege(c.relowner, t.tgfoid, 'EXECUTE')
            THEN format('GRANT EXECUTE ON FUNCTION %s TO %I', t.tgfoid::regprocedure, pg_catalog.pg_get_userbyid(c.relowner)) END AS missing
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND t.tgrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT p.polrelid, 'pg_catalog.pg_policy'::regclass, p.oid, 'policy', 'policy ' || quote_ident(p.polname), p.polname::text, NULL, NULL, NULL,
       format('CREATE POLICY %I ON ', p.polname),
       format(' AS %s FOR %s TO %s', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
              CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
              (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) AS r))
         || CASE WHEN p.polqual IS NULL THEN '' ELSE ' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')' END
         || CASE WHEN p.polwithcheck IS NULL THEN '' ELSE ' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')' END,
       NULL, NULL, NULL, NULL
FROM pg_catalog.pg_policy p WHERE p.polrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT c.oid, NULL, 0, 'row_security', s.what, s.what, NULL, NULL, NULL, 'ALTER TABLE ', s.tail, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_class c
CROSS JOIN LATERAL (VALUES ('row security', ' ENABLE ROW LEVEL SECURITY', c.relrowsecurity),
                           ('forced row security', ' FORCE ROW LEVEL SECURITY', c.relforcerowsecurity)) AS s (what, tail, enabled)
WHERE c.oid = ANY ($1::bigint[]::oid[]) AND (c.relrowsecurity OR c.relforcerowsecurity) AND s.enabled
UNION ALL
SELECT s.stxrelid, 'pg_catalog.pg_statistic_ext'::regclass, s.oid, 'statistics', 'statistics ' || quote_ident(s.stxname), s.stxname::text, n.nspname::text, NULL, NULL,
       COALESCE((SELECT '(' || string_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' ELSE 'mcv' END, ', ' ORDER BY k) || ') '
                   FROM unnest(s.stxkind) AS k WHERE k <> 'e'), ''),
       pg_catalog.pg_get_statisticsobjdef_columns(s.oid),
       CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget::text END,
       CASE WHEN s.stxowner <> c.relowner THEN pg_catalog.pg_get_userbyid(s.stxowner)::text END, NULL, NULL
FROM pg_catalog.pg_statistic_ext s
JOIN pg_catalog.pg_class c ON c.oid = s.stxrelid
JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
WHERE s.stxrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT r.prrelid, 'pg_catalog.pg_publication_rel'::regclass, r.oid, 'publication', 'publication ' || quote_ident(u.pubname), u.pubname::text, NULL, NULL, NULL,
       format('ALTER PUBLICATION %I ADD TABLE ', u.pubname), {published}, NULL, NULL, NULL,
       CASE WHEN NOT pg_catalog.pg_has_role(u.pubowner, 'USAGE') THEN format('GRANT %I TO %I', pg_catalog.pg_get_userbyid(u.pubowner), current_user) END
FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication u ON u.oid = r.prpubid
WHERE r.prrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT w.ev_class, 'pg_catalog.pg_rewrite'::regclass, w.oid, 'rule', 'rule ' || quote_ident(w.rulename), w.rulename::text, NULL, NULL, 'TO',
       rtrim(pg_catalog.pg_get_ruledef(w.oid), ';'), NULL, w.ev_enabled::text, NULL, NULL, NULL
FROM pg_catalog.pg_rewrite w WHERE w.rulename <> '_RETURN' AND w.ev_class = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT l.objoid, NULL, 0, 'label', 'security label of ' || l.provider || COALESCE(' on column ' || quote_ident(a.attname), ''), l.provider, NULL, NULL, NULL,
       NULL, l.label, NULL, NULL, CASE WHEN a.attname IS NOT NULL THEN ARRAY[a.attname::text] END, NULL
FROM pg_catalog.pg_seclabel l
LEFT JOIN pg_catalog.pg_attribute a ON l.objsubid > 0 AND a.attrelid = l.objoid AND a.attnum = l.objsubid
WHERE l.classoid = 'pg_catalog.pg_class'::regclass AND l.objoid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT c.oid, NULL, 0, 'replica_identity', 'replica identity', COALESCE(x.relname, '')::text, NULL, NULL, NULL, 'ALTER TABLE ',
       CASE c.relreplident WHEN 'f' THEN ' REPLICA IDENTITY FULL' WHEN 'n' THEN ' REPLICA IDENTITY NOTHING' ELSE ' REPLICA IDENTITY USING INDEX ' END,
       c.relreplident::text, NULL, NULL, NULL
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_index i ON c.relreplident = 'i' AND i.indrelid = c.oid AND i.indisreplident
LEFT JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE c.oid = ANY ($1::bigint[]::oid[]) AND c.relkind IN ('r', 'p') AND c.relreplident <> 'd' AND (c.relreplident <> 'i' OR x.oid IS NOT NULL)
UNION ALL
SELECT k.conrelid, 'pg_catalog.pg_constraint'::regclass, k.oid,
       CASE WHEN k.contype = 'p' AND k.condeferrable THEN 'stays' WHEN k.contype = 'p' THEN 'key' WHEN k.contype = 'c' THEN 'check'
            WHEN k.contype = 'f' THEN 'foreign_key' WHEN i.indisexclusion THEN 'exclusion' ELSE 'unique' END,
       'constraint ' || quote_ident(k.conname), k.conname::text, NULL, NULL, CASE WHEN k.contype = 'f' THEN 'REFERENCES' END,
       CASE WHEN k.contype <> 'u' OR i.indisexclusion THEN pg_catalog.pg_get_constraintdef(k.oid) END,
       CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END,
       CASE WHEN k.contype = 'f' THEN concat(CASE WHEN k.convalidated THEN 'valid' END, CASE WHEN k.confrelid = k.conrelid THEN 'self' END) END, NULL, NULL, NULL
FROM pg_catalog.pg_constraint k
LEFT JOIN pg_catalog.pg_index i ON k.contype IN ('u', 'x') AND i.indexrelid = k.conindid
WHERE k.contype IN ('c', 'u', 'x', 'f', 'p') AND k.conrelid = ANY ($1::bigint[]::oid[])
  AND (k.contype <> 'p' OR k.condeferrable
       OR EXISTS (SELECT FROM pg_catalog.pg_description d WHERE d.classoid = 'pg_catalog.pg_constraint'::regclass AND d.objoid = k.oid))
UNION ALL
SELECT k.confrelid, 'pg_catalog.pg_constraint'::regclass, k.oid,
       CASE WHEN pg_catalog.to_jsonb(k) ->> 'conperiod' = 'true' THEN 'stays' ELSE 'referencing' END, format('foreign key %I of %I.%I', k.conname, n.nspname, c.relname),
       k.conname::text, n.nspname::text, c.relname::text, 'REFERENCES', pg_catalog.pg_get_constraintdef(k.oid), NULL,
       concat(CASE WHEN k.convalidated THEN 'valid' END, CASE WHEN c.relkind = 'p' THEN 'whole' END), NULL,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS f (number, nth)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = f.number ORDER BY f.nth),
       CASE WHEN NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN format('GRANT %I TO %I', pg_catalog.pg_get_userbyid(c.relowner), current_user) END
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid <> k.conrelid AND k.confrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT d.adrelid, NULL, 0, CASE WHEN a.attgenerated = '' THEN 'default' ELSE 'stays' END,
       CASE WHEN a.attgenerated = '' THEN 'default of column ' ELSE 'generation of column ' END || quote_ident(a.attname), a.attname::text,
       NULL, NULL, NULL, NULL, pg_catalog.pg_get_expr(d.adbin, d.adrelid), NULL, NULL, ARRAY[a.attname::text], NULL
FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT d.refobjid, NULL, 0, CASE d.deptype WHEN 'a' THEN 'sequence' ELSE 'stays' END,
       CASE d.deptype WHEN 'a' THEN format('sequence %I of column %I', s.relname, a.attname) ELSE format('identity of column %I', a.attname) END, a.attname::text,
       NULL, NULL, NULL, format('ALTER SEQUENCE %I.%I OWNED BY ', n.nspname, s.relname), format('.%I', a.attname), NULL, NULL, ARRAY[a.attname::text], NULL
FROM pg_catalog.pg_sequence q
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = q.seqrelid AND d.refclassid = 'pg_catalog.pg_class'::regclass
                           AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class s ON s.oid = q.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.refobjid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT i.indrelid, NULL, 0, 'index_statistics', 'statistics target of index ' || quote_ident(x.relname), x.relname::text, NULL, NULL, NULL,
       NULL, a.attstattarget::text, a.attnum::text, NULL, NULL, NULL
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indexrelid
WHERE a.attstattarget >= 0 AND i.indrelid = ANY ($1::bigint[]::oid[])
UNION ALL
SELECT c.oid, NULL, 0, 'owner_rights', 'a right its owner gave up', '', NULL, NULL, NULL, 'REVOKE',
       (SELECT string_agg(p.privilege_type, ', ' ORDER BY p.privilege_type) FROM pg_catalog.aclexplode(pg_catalog.acldefault('r', c.relowner)) AS p
         WHERE p.privilege_type NOT IN (SELECT g.privilege_type FROM pg_catalog.aclexplode(c.relacl) AS g WHERE g.grantee = c.relowner)),
       NULL, NULL, NULL, NULL
FROM pg_catalog.pg_class c
WHERE c.oid = ANY ($1::bigint[]::oid[]) AND c.relacl IS NOT NULL AND NOT c.relacl @> (pg_catalog.acldefault('r', c.relowner))[1]
UNION ALL
SELECT c.oid, NULL, 0, 'owner_rights', 'a right of its owner on column ' || quote_ident(a.attname), '', NULL, NULL, NULL, 'GRANT',
       format('%s (%I)', g.privilege_type, a.attname), NULL, NULL, ARRAY[a.attname::text], NULL
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS g
WHERE c.oid = ANY ($1::bigint[]::oid[]) AND g.grantee = c.relowner
UNION ALL
SELECT i.inhrelid, NULL, 0, 'stays', 'parent ' || i.inhparent::regclass, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_inherits i WHERE i.inhrelid = ANY ($1::bigint[]::oid[])
)
SELECT f.rel::bigint AS oid, f.kind, f.what, f.name, f.schema, f.relation, f.cut, f.head, f.tail, f.state, f.owner, f.missing,
       (SELECT d.description FROM pg_catalog.pg_description d WHERE d.classoid = f.class AND d.objoid = f.object AND d.objsubid = 0) AS comment,
       COALESCE(f.columns, ARRAY(SELECT DISTINCT a.attname::text
                                 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                                 WHERE d.classid = f.class AND d.objid = f.object AND d.refclassid = 'pg_catalog.pg_class'::regclass
                                   AND d.refobjid = f.rel AND d.refobjsubid > 0 ORDER BY 1)) AS columns
FROM found f
ORDER BY 1, f.kind COLLATE "C", f.what COLLATE "C", f.tail COLLATE "C"
