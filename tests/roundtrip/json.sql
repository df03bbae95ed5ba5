-- postgresql 17
-- JSON_TABLE and its kin.
CREATE SCHEMA s;
CREATE TABLE s.t (id int, doc jsonb, text text);
CREATE VIEW s.json_table AS SELECT t.id, j.* FROM s.t, JSON_TABLE (t.doc, '$.rows[*]' AS root PASSING 1 AS x COLUMNS (n FOR ORDINALITY, a int PATH '$.a' DEFAULT 0 ON EMPTY ERROR ON ERROR, "B c" text PATH '$."b c"' WITHOUT WRAPPER OMIT QUOTES, has bool EXISTS PATH '$.h', NESTED PATH '$.inner[*]' AS inner_rows COLUMNS (deep numeric(5, 2) PATH '$.d'))) AS j;
CREATE VIEW s.json_functions AS SELECT JSON_VALUE(doc, '$.a' RETURNING int DEFAULT 0 ON ERROR) AS v, JSON_QUERY(doc, '$.b' WITH WRAPPER) AS q, JSON_EXISTS(doc, '$.c ? (@ > $x)' PASSING id AS x) AS e, JSON_SERIALIZE(doc RETURNING text) AS s, JSON(text) AS j, JSON_SCALAR(id) AS c FROM s.t;
CREATE VIEW s.json_constructors AS SELECT JSON_OBJECT('a' : id, 'b' VALUE text ABSENT ON NULL WITH UNIQUE KEYS) AS o, JSON_ARRAY(id, text NULL ON NULL RETURNING jsonb) AS a, JSON_OBJECTAGG(text : id RETURNING jsonb) AS oa, JSON_ARRAYAGG(id ORDER BY id DESC ABSENT ON NULL) AS aa, JSON_ARRAY(SELECT 1) AS q FROM s.t GROUP BY id, text;
CREATE VIEW s.is_json AS SELECT text IS JSON AS a, text IS NOT JSON OBJECT WITH UNIQUE KEYS AS b, doc IS JSON ARRAY AS c FROM s.t;
CREATE VIEW s.merged AS SELECT any_value(id) AS any, at.x FROM s.t, LATERAL (SELECT now() AT LOCAL AS x) AS at GROUP BY at.x;
