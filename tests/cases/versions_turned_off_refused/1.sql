CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, amount numeric);
INSERT INTO orders SELECT i, date '2026-01-01' + i % 7, i FROM generate_series(1, 100) AS i;
