{facts}
CREATE VIEW w AS SELECT day FROM a;
CREATE TABLE was AS SELECT 'a'::regclass::oid AS oid, pg_relation_filenode('a') AS node;
SELECT keep('w');
