-- extension bloom
-- An access method of an extension.
CREATE SCHEMA s;
CREATE SCHEMA "B l";
CREATE EXTENSION bloom SCHEMA "B l";
CREATE TABLE s.t (id int, a int, b text);
CREATE MATERIALIZED VIEW s.bloomed AS SELECT id, a, b FROM s.t;
CREATE INDEX ON s.bloomed USING bloom (a, b) WITH (length = 80, col1 = 2, col2 = 4);
CREATE INDEX plain ON s.bloomed USING bloom (id "B l".int4_ops);
