CREATE TABLE orders (day date NOT NULL, category text NOT NULL, amount numeric NOT NULL);
INSERT INTO orders SELECT date '2026-01-01' + i % 30, 'c' || i % 5, i FROM generate_series(1, 1000) AS i;
