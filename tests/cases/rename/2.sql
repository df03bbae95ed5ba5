CREATE TABLE mark AS SELECT 'v'::regclass::oid AS v, 'm'::regclass::oid AS m, 't'::regclass::oid AS t, 'reader'::regclass::oid AS r, 'keeper'::regclass::oid AS k;
