CREATE PUBLICATION {db}_a FOR TABLE t (id, amount) WHERE (id > 5 AND amount < 100);
CREATE TABLE was0 AS SELECT to_jsonb(p)::text AS fact FROM pg_publication_tables p;
