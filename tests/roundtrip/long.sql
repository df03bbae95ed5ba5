-- Long queries, wide ones, deep ones: a long one goes into a file beside its manifest.
CREATE SCHEMA s;
CREATE SCHEMA "S 2";
CREATE TABLE s.t (id int PRIMARY KEY, name text, amount int);
CREATE VIEW s.wide AS SELECT t.id + 1 AS c1, t.id + 2 AS c2, 'text 3'::text AS "Col 3", t.id + 4 AS c4, t.id + 5 AS c5, 'text 6'::text AS "Col 6", t.id + 7 AS c7, t.id + 8 AS c8, 'text 9'::text AS "Col 9", t.id + 10 AS c10, t.id + 11 AS c11, 'text 12'::text AS "Col 12", t.id + 13 AS c13, t.id + 14 AS c14, 'text 15'::text AS "Col 15", t.id + 16 AS c16, t.id + 17 AS c17, 'text 18'::text AS "Col 18", t.id + 19 AS c19, t.id + 20 AS c20, 'text 21'::text AS "Col 21", t.id + 22 AS c22, t.id + 23 AS c23, 'text 24'::text AS "Col 24", t.id + 25 AS c25, t.id + 26 AS c26, 'text 27'::text AS "Col 27", t.id + 28 AS c28, t.id + 29 AS c29, 'text 30'::text AS "Col 30", t.id + 31 AS c31, t.id + 32 AS c32, 'text 33'::text AS "Col 33", t.id + 34 AS c34, t.id + 35 AS c35, 'text 36'::text AS "Col 36", t.id + 37 AS c37, t.id + 38 AS c38, 'text 39'::text AS "Col 39", t.id + 40 AS c40, t.id + 41 AS c41, 'text 42'::text AS "Col 42", t.id + 43 AS c43, t.id + 44 AS c44, 'text 45'::text AS "Col 45", t.id + 46 AS c46, t.id + 47 AS c47, 'text 48'::text AS "Col 48", t.id + 49 AS c49, t.id + 50 AS c50, 'text 51'::text AS "Col 51", t.id + 52 AS c52, t.id + 53 AS c53, 'text 54'::text AS "Col 54", t.id + 55 AS c55, t.id + 56 AS c56, 'text 57'::text AS "Col 57", t.id + 58 AS c58, t.id + 59 AS c59, 'text 60'::text AS "Col 60", t.id + 61 AS c61, t.id + 62 AS c62, 'text 63'::text AS "Col 63", t.id + 64 AS c64, t.id + 65 AS c65, 'text 66'::text AS "Col 66", t.id + 67 AS c67, t.id + 68 AS c68, 'text 69'::text AS "Col 69", t.id + 70 AS c70, t.id + 71 AS c71, 'text 72'::text AS "Col 72", t.id + 73 AS c73, t.id + 74 AS c74, 'text 75'::text AS "Col 75", t.id + 76 AS c76, t.id + 77 AS c77, 'text 78'::text AS "Col 78", t.id + 79 AS c79, t.id + 80 AS c80, 'text 81'::text AS "Col 81", t.id + 82 AS c82, t.id + 83 AS c83, 'text 84'::text AS "Col 84", t.id + 85 AS c85, t.id + 86 AS c86, 'text 87'::text AS "Col 87", t.id + 88 AS c88, t.id + 89 AS c89, 'text 90'::text AS "Col 90", t.id + 91 AS c91, t.id + 92 AS c92, 'text 93'::text AS "Col 93", t.id + 94 AS c94, t.id + 95 AS c95, 'text 96'::text AS "Col 96", t.id + 97 AS c97, t.id + 98 AS c98, 'text 99'::text AS "Col 99", t.id + 100 AS c100, t.id + 101 AS c101, 'text 102'::text AS "Col 102", t.id + 103 AS c103, t.id + 104 AS c104, 'text 105'::text AS "Col 105", t.id + 106 AS c106, t.id + 107 AS c107, 'text 108'::text AS "Col 108", t.id + 109 AS c109, t.id + 110 AS c110, 'text 111'::text AS "Col 111", t.id + 112 AS c112, t.id + 113 AS c113, 'text 114'::text AS "Col 114", t.id + 115 AS c115, t.id + 116 AS c116, 'text 117'::text AS "Col 117", t.id + 118 AS c118, t.id + 119 AS c119, 'text 120'::text AS "Col 120", t.id + 121 AS c121, t.id + 122 AS c122, 'text 123'::text AS "Col 123", t.id + 124 AS c124, t.id + 125 AS c125, 'text 126'::text AS "Col 126", t.id + 127 AS c127, t.id + 128 AS c128, 'text 129'::text AS "Col 129", t.id + 130 AS c130, t.id + 131 AS c131, 'text 132'::text AS "Col 132", t.id + 133 AS c133, t.id + 134 AS c134, 'text 135'::text AS "Col 135", t.id + 136 AS c136, t.id + 137 AS c137, 'text 138'::text AS "Col 138", t.id + 139 AS c139, t.id + 140 AS c140, 'text 141'::text AS "Col 141", t.id + 142 AS c142, t.id + 143 AS c143, 'text 144'::text AS "Col 144", t.id + 145 AS c145, t.id + 146 AS c146, 'text 147'::text AS "Col 147", t.id + 148 AS c148, t.id + 149 AS c149, 'text 150'::text AS "Col 150", t.id + 151 AS c151, t.id + 152 AS c152, 'text 153'::text AS "Col 153", t.id + 154 AS c154, t.id + 155 AS c155, 'text 156'::text AS "Col 156", t.id + 157 AS c157, t.id + 158 AS c158, 'text 159'::text AS "Col 159", t.id + 160 AS c160, t.id + 161 AS c161, 'text 162'::text AS "Col 162", t.id + 163 AS c163, t.id + 164 AS c164, 'text 165'::text AS "Col 165", t.id + 166 AS c166, t.id + 167 AS c167, 'text 168'::text AS "Col 168", t.id + 169 AS c169, t.id + 170 AS c170, 'text 171'::text AS "Col 171", t.id + 172 AS c172, t.id + 173 AS c173, 'text 174'::text AS "Col 174", t.id + 175 AS c175, t.id + 176 AS c176, 'text 177'::text AS "Col 177", t.id + 178 AS c178, t.id + 179 AS c179, 'text 180'::text AS "Col 180", t.id + 181 AS c181, t.id + 182 AS c182, 'text 183'::text AS "Col 183", t.id + 184 AS c184, t.id + 185 AS c185, 'text 186'::text AS "Col 186", t.id + 187 AS c187, t.id + 188 AS c188, 'text 189'::text AS "Col 189", t.id + 190 AS c190, t.id + 191 AS c191, 'text 192'::text AS "Col 192", t.id + 193 AS c193, t.id + 194 AS c194, 'text 195'::text AS "Col 195", t.id + 196 AS c196, t.id + 197 AS c197, 'text 198'::text AS "Col 198", t.id + 199 AS c199, t.id + 200 AS c200 FROM s.t;
CREATE MATERIALIZED VIEW s.wide_stored AS SELECT * FROM s.wide WHERE c1 > 0;
CREATE INDEX ON s.wide_stored (c1, c2, "Col 3", "Col 198");
CREATE VIEW "S 2"."Long/case" AS SELECT t.id, CASE
    WHEN t.amount BETWEEN 0 AND 9 AND t.name LIKE 'n0%' THEN 'between 0 and 9, it''s "0"'
    WHEN t.amount BETWEEN 10 AND 19 AND t.name LIKE 'n1%' THEN 'between 10 and 19, it''s "1"'
    WHEN t.amount BETWEEN 20 AND 29 AND t.name LIKE 'n2%' THEN 'between 20 and 29, it''s "2"'
    WHEN t.amount BETWEEN 30 AND 39 AND t.name LIKE 'n3%' THEN 'between 30 and 39, it''s "3"'
    WHEN t.amount BETWEEN 40 AND 49 AND t.name LIKE 'n4%' THEN 'between 40 and 49, it''s "4"'
    WHEN t.amount BETWEEN 50 AND 59 AND t.name LIKE 'n5%' THEN 'between 50 and 59, it''s "5"'
    WHEN t.amount BETWEEN 60 AND 69 AND t.name LIKE 'n6%' THEN 'between 60 and 69, it''s "6"'
    WHEN t.amount BETWEEN 70 AND 79 AND t.name LIKE 'n7%' THEN 'between 70 and 79, it''s "7"'
    WHEN t.amount BETWEEN 80 AND 89 AND t.name LIKE 'n8%' THEN 'between 80 and 89, it''s "8"'
    WHEN t.amount BETWEEN 90 AND 99 AND t.name LIKE 'n9%' THEN 'between 90 and 99, it''s "9"'
    WHEN t.amount BETWEEN 100 AND 109 AND t.name LIKE 'n10%' THEN 'between 100 and 109, it''s "10"'
    WHEN t.amount BETWEEN 110 AND 119 AND t.name LIKE 'n11%' THEN 'between 110 and 119, it''s "11"'
    WHEN t.amount BETWEEN 120 AND 129 AND t.name LIKE 'n12%' THEN 'between 120 and 129, it''s "12"'
    WHEN t.amount BETWEEN 130 AND 139 AND t.name LIKE 'n13%' THEN 'between 130 and 139, it''s "13"'
    WHEN t.amount BETWEEN 140 AND 149 AND t.name LIKE 'n14%' THEN 'between 140 and 149, it''s "14"'
    WHEN t.amount BETWEEN 150 AND 159 AND t.name LIKE 'n15%' THEN 'between 150 and 159, it''s "15"'
    WHEN t.amount BETWEEN 160 AND 169 AND t.name LIKE 'n16%' THEN 'between 160 and 169, it''s "16"'
    WHEN t.amount BETWEEN 170 AND 179 AND t.name LIKE 'n17%' THEN 'between 170 and 179, it''s "17"'
    WHEN t.amount BETWEEN 180 AND 189 AND t.name LIKE 'n18%' THEN 'between 180 and 189, it''s "18"'
    WHEN t.amount BETWEEN 190 AND 199 AND t.name LIKE 'n19%' THEN 'between 190 and 199, it''s "19"'
    WHEN t.amount BETWEEN 200 AND 209 AND t.name LIKE 'n20%' THEN 'between 200 and 209, it''s "20"'
    WHEN t.amount BETWEEN 210 AND 219 AND t.name LIKE 'n21%' THEN 'between 210 and 219, it''s "21"'
    WHEN t.amount BETWEEN 220 AND 229 AND t.name LIKE 'n22%' THEN 'between 220 and 229, it''s "22"'
    WHEN t.amount BETWEEN 230 AND 239 AND t.name LIKE 'n23%' THEN 'between 230 and 239, it''s "23"'
    WHEN t.amount BETWEEN 240 AND 249 AND t.name LIKE 'n24%' THEN 'between 240 and 249, it''s "24"'
    WHEN t.amount BETWEEN 250 AND 259 AND t.name LIKE 'n25%' THEN 'between 250 and 259, it''s "25"'
    WHEN t.amount BETWEEN 260 AND 269 AND t.name LIKE 'n26%' THEN 'between 260 and 269, it''s "26"'
    WHEN t.amount BETWEEN 270 AND 279 AND t.name LIKE 'n27%' THEN 'between 270 and 279, it''s "27"'
    WHEN t.amount BETWEEN 280 AND 289 AND t.name LIKE 'n28%' THEN 'between 280 and 289, it''s "28"'
    WHEN t.amount BETWEEN 290 AND 299 AND t.name LIKE 'n29%' THEN 'between 290 and 299, it''s "29"'
    WHEN t.amount BETWEEN 300 AND 309 AND t.name LIKE 'n30%' THEN 'between 300 and 309, it''s "30"'
    WHEN t.amount BETWEEN 310 AND 319 AND t.name LIKE 'n31%' THEN 'between 310 and 319, it''s "31"'
    WHEN t.amount BETWEEN 320 AND 329 AND t.name LIKE 'n32%' THEN 'between 320 and 329, it''s "32"'
    WHEN t.amount BETWEEN 330 AND 339 AND t.name LIKE 'n33%' THEN 'between 330 and 339, it''s "33"'
    WHEN t.amount BETWEEN 340 AND 349 AND t.name LIKE 'n34%' THEN 'between 340 and 349, it''s "34"'
    WHEN t.amount BETWEEN 350 AND 359 AND t.name LIKE 'n35%' THEN 'between 350 and 359, it''s "35"'
    WHEN t.amount BETWEEN 360 AND 369 AND t.name LIKE 'n36%' THEN 'between 360 and 369, it''s "36"'
    WHEN t.amount BETWEEN 370 AND 379 AND t.name LIKE 'n37%' THEN 'between 370 and 379, it''s "37"'
    WHEN t.amount BETWEEN 380 AND 389 AND t.name LIKE 'n38%' THEN 'between 380 and 389, it''s "38"'
    WHEN t.amount BETWEEN 390 AND 399 AND t.name LIKE 'n39%' THEN 'between 390 and 399, it''s "39"'
    ELSE NULL END AS label FROM s.t;
CREATE MATERIALIZED VIEW "S 2"."Long/case_stored" AS
  SELECT l.label, count(*) AS number FROM "S 2"."Long/case" l GROUP BY l.label;
CREATE VIEW s.long_union AS
SELECT 0 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 0) AS m FROM s.t WHERE t.id % 2 = 0
UNION ALL
SELECT 1 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 1) AS m FROM s.t WHERE t.id % 3 = 0
UNION ALL
SELECT 2 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 2) AS m FROM s.t WHERE t.id % 4 = 0
UNION ALL
SELECT 3 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 3) AS m FROM s.t WHERE t.id % 5 = 0
UNION ALL
SELECT 4 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 4) AS m FROM s.t WHERE t.id % 6 = 0
UNION ALL
SELECT 5 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 5) AS m FROM s.t WHERE t.id % 7 = 0
UNION ALL
SELECT 6 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 6) AS m FROM s.t WHERE t.id % 8 = 0
UNION ALL
SELECT 7 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 7) AS m FROM s.t WHERE t.id % 9 = 0
UNION ALL
SELECT 8 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 8) AS m FROM s.t WHERE t.id % 10 = 0
UNION ALL
SELECT 9 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 9) AS m FROM s.t WHERE t.id % 11 = 0
UNION ALL
SELECT 10 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 10) AS m FROM s.t WHERE t.id % 12 = 0
UNION ALL
SELECT 11 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 11) AS m FROM s.t WHERE t.id % 13 = 0
UNION ALL
SELECT 12 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 12) AS m FROM s.t WHERE t.id % 14 = 0
UNION ALL
SELECT 13 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 13) AS m FROM s.t WHERE t.id % 15 = 0
UNION ALL
SELECT 14 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 14) AS m FROM s.t WHERE t.id % 16 = 0
UNION ALL
SELECT 15 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 15) AS m FROM s.t WHERE t.id % 17 = 0
UNION ALL
SELECT 16 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 16) AS m FROM s.t WHERE t.id % 18 = 0
UNION ALL
SELECT 17 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 17) AS m FROM s.t WHERE t.id % 19 = 0
UNION ALL
SELECT 18 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 18) AS m FROM s.t WHERE t.id % 20 = 0
UNION ALL
SELECT 19 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 19) AS m FROM s.t WHERE t.id % 21 = 0
UNION ALL
SELECT 20 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 20) AS m FROM s.t WHERE t.id % 22 = 0
UNION ALL
SELECT 21 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 21) AS m FROM s.t WHERE t.id % 23 = 0
UNION ALL
SELECT 22 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 22) AS m FROM s.t WHERE t.id % 24 = 0
UNION ALL
SELECT 23 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 23) AS m FROM s.t WHERE t.id % 25 = 0
UNION ALL
SELECT 24 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 24) AS m FROM s.t WHERE t.id % 26 = 0
UNION ALL
SELECT 25 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 25) AS m FROM s.t WHERE t.id % 27 = 0
UNION ALL
SELECT 26 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 26) AS m FROM s.t WHERE t.id % 28 = 0
UNION ALL
SELECT 27 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 27) AS m FROM s.t WHERE t.id % 29 = 0
UNION ALL
SELECT 28 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 28) AS m FROM s.t WHERE t.id % 30 = 0
UNION ALL
SELECT 29 AS n, t.id, (SELECT max(x.amount) FROM s.t x WHERE x.id > t.id + 29) AS m FROM s.t WHERE t.id % 31 = 0;
CREATE VIEW s.deep AS SELECT (coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce((coalesce(t.id, 0) + 1) * 2, 2) + 3) * 2, 4) + 5) * 2, 6) + 7) * 2, 8) + 9) * 2, 10) + 11) * 2, 12) + 13) * 2, 14) + 15) * 2, 16) + 17) * 2, 18) + 19) * 2, 20) + 21) * 2, 22) + 23) * 2, 24) + 25) * 2, 26) + 27) * 2, 28) + 29) * 2, 30) + 31) * 2, 32) + 33) * 2, 34) + 35) * 2, 36) + 37) * 2, 38) + 39) * 2 AS d FROM s.t;
CREATE VIEW s.deep_brackets AS SELECT * FROM (SELECT * FROM (SELECT * FROM (SELECT * FROM (SELECT * FROM (SELECT id, name FROM s.t WHERE id IN (SELECT id FROM s.t WHERE id IN (SELECT id FROM s.t))) AS a) AS b) AS c) AS d) AS e;
CREATE VIEW s.long_strings AS SELECT 'long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long ' AS a, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' AS b, id FROM s.t WHERE name = 'a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b a''b ';
