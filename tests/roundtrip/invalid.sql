-- note s.stored: index half_built is invalid (CREATE INDEX half_built ON s.stored USING btree (a)); it was left out
-- A CREATE INDEX CONCURRENTLY that failed.
CREATE SCHEMA s;
CREATE TABLE s.t (id int, a text);
CREATE MATERIALIZED VIEW s.stored AS SELECT id, a FROM s.t;
CREATE UNIQUE INDEX ON s.stored (id);
CREATE INDEX half_built ON s.stored (a);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 's.half_built'::regclass;
