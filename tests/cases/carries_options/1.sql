CREATE TABLE orders (day date, amount numeric);
INSERT INTO orders SELECT date '2026-01-01' + i % 20, i FROM generate_series(1, 60) AS i;
