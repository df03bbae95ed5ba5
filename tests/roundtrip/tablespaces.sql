-- postgresql 15
-- tablespace fast
-- tablespace Slow
CREATE SCHEMA s;
CREATE TABLE s.t (id int, b text);
CREATE MATERIALIZED VIEW s.away TABLESPACE {db}_fast AS SELECT * FROM s.t;
CREATE INDEX ON s.away (id) TABLESPACE {db}_slow;
CREATE UNIQUE INDEX uniquely ON s.away (id, b) WITH (fillfactor = 75) TABLESPACE {db}_fast WHERE id > 0;
CREATE INDEX ON s.away (b);
CREATE MATERIALIZED VIEW s.at_home AS SELECT id FROM s.away;
CREATE INDEX ON s.at_home (id) TABLESPACE {db}_fast;
