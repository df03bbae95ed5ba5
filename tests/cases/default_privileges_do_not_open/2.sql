CREATE ROLE {db}_spy; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO {db}_spy; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC; GRANT SELECT (id) ON t TO {db}_spy;
CREATE TABLE was0 AS SELECT coalesce(relacl, acldefault('r', relowner))::text AS fact FROM pg_class WHERE oid = 't'::regclass;
