CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, category text, region text, amount numeric);
INSERT INTO orders SELECT i, date '2024-01-01' + i % 30, 'c' || i % 4, 'r' || i % 3, i FROM generate_series(1, 200) AS i;
