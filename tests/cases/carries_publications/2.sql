CREATE PUBLICATION "{db} a" FOR TABLE t, orders WITH (publish = 'insert'); CREATE PUBLICATION {db}_b; ALTER PUBLICATION {db}_b ADD TABLE t;
CREATE TABLE was0 AS SELECT pubname || schemaname || tablename AS fact FROM pg_publication_tables;
