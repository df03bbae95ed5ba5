CREATE TABLE orders AS SELECT n AS id, date '2026-01-01' + n % 5 AS day FROM generate_series(1, 20) AS n;
