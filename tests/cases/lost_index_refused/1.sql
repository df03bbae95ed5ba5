CREATE TABLE orders (id int PRIMARY KEY, category text NOT NULL, amount numeric NOT NULL);
INSERT INTO orders SELECT i, 'c' || i % 5, i FROM generate_series(1, 100) AS i;
