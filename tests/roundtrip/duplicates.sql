-- Indexes that are there twice, as they come to be over the years.
CREATE SCHEMA s;
CREATE TABLE s.t (id int, a int, b text);
CREATE MATERIALIZED VIEW s.twice AS SELECT id, a, b FROM s.t;
CREATE INDEX ON s.twice (a);
CREATE INDEX ON s.twice (a);
CREATE INDEX again ON s.twice (a);
CREATE UNIQUE INDEX ON s.twice (id);
CREATE UNIQUE INDEX one_more ON s.twice (id);
CREATE INDEX ON s.twice (lower(b)) WHERE a > 1;
CREATE INDEX lower_again ON s.twice (lower(b)) WHERE a > 1;
CREATE INDEX ON s.twice (a, a);
CREATE INDEX ON s.twice (a, b) INCLUDE (a, id);
CREATE INDEX ON s.twice (lower(b), lower(b), upper(b));
