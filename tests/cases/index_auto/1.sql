CREATE TABLE orders (id int PRIMARY KEY, day date, category text, amount numeric);
INSERT INTO orders SELECT i, nullif(date '2024-01-01' + i % 30, '2024-01-03'), nullif('c' || i % 4, 'c1'), i FROM generate_series(1, 200) AS i;
