CREATE ROLE {db}_bi;
CREATE POLICY "Own rows" ON t AS RESTRICTIVE FOR UPDATE TO {db}_bi, CURRENT_USER USING (amount > 0) WITH CHECK (id IN (SELECT id FROM t AS t2 WHERE t2.amount < 10));
CREATE POLICY readers ON t FOR SELECT USING (true); COMMENT ON POLICY readers ON t IS 'all of them';
ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
CREATE TABLE was0 AS SELECT to_jsonb(p)::text AS fact FROM pg_policies p WHERE tablename = 't';
CREATE TABLE was1 AS SELECT relrowsecurity::text || relforcerowsecurity || obj_description((SELECT oid FROM pg_policy WHERE polname = 'readers'), 'pg_policy') AS fact FROM pg_class WHERE oid = 't'::regclass;
