-- postgresql 16
-- What 16 brought.
CREATE SCHEMA s;
CREATE TABLE s.t (id int, text text);
CREATE VIEW s.is_json AS SELECT id, text IS JSON AS a, text IS NOT JSON SCALAR AS b, text IS JSON OBJECT WITH UNIQUE KEYS AS c FROM s.t WHERE text IS JSON ARRAY;
CREATE VIEW s.constructors AS SELECT JSON_OBJECT('a' : id, 'b' VALUE text ABSENT ON NULL) AS o, JSON_ARRAY(id, text NULL ON NULL RETURNING jsonb) AS a, JSON_ARRAYAGG(id ORDER BY id) AS aa FROM s.t GROUP BY id, text;
CREATE VIEW s.numbers AS SELECT 0x1F AS hex, 0b101 AS bin, 1_000_000 AS million, any_value(id) AS any FROM s.t;
CREATE VIEW s.no_alias AS SELECT * FROM (SELECT id FROM s.t);
CREATE MATERIALIZED VIEW s.stored AS SELECT id, text IS JSON AS ok FROM s.t;
CREATE INDEX ON s.stored ((ok IS NOT TRUE)) WHERE ok;
