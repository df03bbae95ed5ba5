CREATE VIEW theirs AS SELECT a.total, b.category FROM a, b;
CREATE TABLE mark AS SELECT 'a'::regclass::oid AS a, 'b'::regclass::oid AS b, 'reader'::regclass::oid AS reader, 'stored'::regclass::oid AS stored, 'theirs'::regclass::oid AS theirs, 'a_total_idx'::regclass::oid AS i, 'b_pkey'::regclass::oid AS k,
    pg_relation_filenode('stored') AS file;
