-- Types of every sort, constants of every type, collations.
CREATE SCHEMA s;
CREATE SCHEMA "T y";
CREATE TYPE s.mood AS ENUM ('sad', 'it''s ok', 'Happy "now"', 'back\slash');
CREATE TYPE "T y"."Point" AS ("X" int, y numeric(6, 2), label varchar(10));
CREATE DOMAIN s.email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN "T y"."Small" AS s.email NOT NULL;
CREATE DOMAIN s.ids AS int[];
CREATE TYPE s.price_range AS RANGE (subtype = numeric);
CREATE COLLATION s."my C" (provider = libc, locale = 'C');
CREATE TABLE s.t (id int PRIMARY KEY, m s.mood, p "T y"."Point", ps "T y"."Point"[], e s.email, sm "T y"."Small", i s.ids, r s.price_range,
  v varchar(10), c char(3), b bit(4), vb bit varying(8), n numeric(7, 3), f real, d double precision, iv interval day to second(2), at timestamptz(3), tm time(0), ttz timetz,
  bytes bytea, u uuid, ip inet, mac macaddr, j json, jb jsonb, ts tsvector, q tsquery, a2 int[][], pt point, money money, x xid, lsn pg_lsn, "char" "char", na name);
CREATE VIEW s.all_columns AS SELECT * FROM s.t;
CREATE VIEW s.enums AS SELECT m, 'it''s ok'::s.mood AS ok, m > 'sad' AS gladder, m IN ('sad', 'Happy "now"') AS either, enum_range(NULL::s.mood) AS every, 'back\slash'::s.mood AS slash FROM s.t;
CREATE VIEW s.composites AS SELECT (p)."X" AS x, (p).y AS "Y", (ps[1]).label AS last, ROW(1, 2.5, 'z')::"T y"."Point" AS made, ROW(1, 'a', NULL)::text AS anonymous, p = ROW(1, 2, 'l')::"T y"."Point" AS same, ps[2:3] AS part, (p).label AS l, (ps[1]).* FROM s.t;
CREATE VIEW s.domains AS SELECT e, sm, i[1], 'a@b'::s.email AS mail, ARRAY[1, 2]::s.ids AS ids, e || 'x' AS longer FROM s.t;
CREATE VIEW s.ranges AS SELECT r, int4range(1, 5) AS a, '[2024-01-01,2024-02-01)'::daterange AS b, r @> 1.5 AS has, '{[1,2), [3,4)}'::int4multirange AS mr, s.price_range(1, 2, '[]') AS made, range_agg(r) AS agg, numrange(NULL, 3) * numrange(1, NULL) AS cut FROM s.t GROUP BY r;
CREATE VIEW s.strings AS SELECT 'plain' AS a, E'back\\slash' AS b, 'it''s' AS c, $$dollar 'quoted' $$ AS d, $x$ '''three''' """too""" $x$ AS e, E'line\nbreak' AS f, E'tab\there' AS g, 'ünï☃' AS h, U&'\0041\00e9' AS i, E'\r\n' AS j, '' AS k, '  ' AS l, '-- no comment /* none */' AS m, ';' AS n, '{this} ${HOME} %s' AS o, E'''''''' AS p, '\' AS q, E'\u0001' AS r;
CREATE VIEW s.long_string AS SELECT 'a
  SELECT many
    lines   

  FROM "here" -- with
	tabs and trailing blanks   
''''''
"""
' AS text, id FROM s.t;
CREATE VIEW s.bits AS SELECT B'1010' AS a, X'1F' AS b, b & B'1100' AS c, B'10'::bit(4) AS d, 5::bit(8) AS e, vb || B'1' AS f, b::int AS g FROM s.t;
CREATE VIEW s.chars AS SELECT c, 'a'::char(3) AS a, c = 'a' AS b, 'ab'::char AS d, 'x'::"char" AS e, v::char(2) AS f, c || v AS g, 'n'::name AS n, c IN ('a', 'b') AS h, v IN ('a', 'b') AS i, na = 'x' AS k FROM s.t;
CREATE VIEW s.numbers AS SELECT 1 AS a, -1 AS b, 1.50 AS c, 1e10 AS d, 12345678901234567890 AS e, 'NaN'::float8 AS f, '-Infinity'::float4 AS g, n::numeric(4, 1) AS h, 1::numeric AS i, -1.5::real AS j, (-1)::smallint AS k, - n AS l, 2 ^ 3 = 8 AS m FROM s.t WHERE n > -5 AND f < 1.1;
CREATE VIEW s.times AS SELECT interval '1 day' AS a, interval '1-2' YEAR TO MONTH AS b, interval '3' HOUR AS c, '1.5 seconds'::interval(2) AS d, timestamptz '2024-01-01 12:00+02' AS e, timestamp(0) '2024-01-01 12:00:00.5' AS f, date '2024-02-29' AS g, time '04:05:06.789' AS h, timetz '04:05+03' AS i, at AT TIME ZONE 'Europe/Paris' AS j, at AT TIME ZONE interval '-03:00' AS k, date 'infinity' AS l, timestamp '0044-03-15 BC' AS m, at::timestamptz(0) AS n, iv * 2 AS o FROM s.t;
CREATE VIEW s.arrays AS SELECT ARRAY[1, 2] AS a, ARRAY[[1, 2], [3, 4]] AS b, '{a,"b c",NULL,"NULL"}'::text[] AS c, ARRAY[]::date[] AS d, a2[1][2] AS e, a2[1:2][1:1] AS f, i[:2] AS g, ARRAY(SELECT id FROM s.t ORDER BY id) AS h, ARRAY['a', v] AS k, ARRAY[m, 'sad'] AS l, a2 || 5 AS n, 1 = ANY (a2) AS o, ARRAY[ROW(1, 2)]::text AS q FROM s.t;
CREATE VIEW s.documents AS SELECT j -> 'a' AS a, j ->> 'b' AS b, jb #> '{a,0}' AS c, jb #>> ARRAY['x', 'y'] AS d, jb @> '{"k": ["v''s", "\"q\"", "\\"]}' AS e, jb ? 'k' AS f, jb ?| ARRAY['a', 'b'] AS g, jb @? '$.a[*] ? (@ > 2)' AS h, jb - 'a' AS i, jb['a']['b'] AS k, '{"a": "\n"}'::json AS l FROM s.t;
CREATE VIEW s.others AS SELECT bytes, '\xdeadbeef'::bytea AS a, u, '00000000-0000-0000-0000-000000000001'::uuid AS b, ip << '10.0.0.0/8' AS c, mac, ts @@ to_tsquery('english', 'cat & dog') AS d, 'a & b'::tsquery AS e, pt <-> point '(1,2)' AS f, '12.34'::money AS g, '16/B374D848'::pg_lsn AS h, true AS k, NULL AS l, NULL::int AS m, circle '((0,0),1)' AS n, "char" FROM s.t;
CREATE VIEW s.collations AS SELECT v COLLATE "C" AS a, v < 'b' COLLATE "POSIX" AS b, e COLLATE s."my C" AS c, 'x' COLLATE "default" AS d, upper(v COLLATE "C") AS f FROM s.t ORDER BY v COLLATE "C" DESC, e COLLATE s."my C" USING ~<~;
CREATE MATERIALIZED VIEW s.stored_types AS SELECT id, m, p, e, r, v, c, b, v COLLATE "C" AS vc, e COLLATE s."my C" AS ec, at, jb, a2, ts, n FROM s.t;
CREATE UNIQUE INDEX ON s.stored_types (id);
CREATE INDEX ON s.stored_types (m, v COLLATE "C", ec);
CREATE INDEX ON s.stored_types (((p).y));
CREATE INDEX ON s.stored_types USING gist (r);
CREATE INDEX ON s.stored_types (((jb ->> 'it''s')::int)) WHERE m = 'it''s ok' AND at > '2024-01-01 00:00+00';
