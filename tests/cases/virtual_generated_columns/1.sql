CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, amount numeric NOT NULL, vat numeric GENERATED ALWAYS AS (round(amount * 0.19, 2)) VIRTUAL);
INSERT INTO orders (id, day, amount) SELECT i, date '2024-01-01' + i % 30, i FROM generate_series(1, 200) AS i;
