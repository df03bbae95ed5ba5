CREATE TABLE mark AS SELECT 'a'::regclass::oid AS a, 'b'::regclass::oid AS b;
