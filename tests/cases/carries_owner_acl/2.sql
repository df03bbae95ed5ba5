CREATE ROLE {db}_bi; GRANT SELECT ON t TO {db}_bi; REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON t FROM {db}_o; GRANT UPDATE (amount) ON t TO {db}_o;
CREATE TABLE was0 AS SELECT relacl::text AS fact FROM pg_class WHERE oid = 't'::regclass;
CREATE TABLE was1 AS SELECT attname || attacl::text AS fact FROM pg_attribute WHERE attrelid = 't'::regclass AND attacl IS NOT NULL;
