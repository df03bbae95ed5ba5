CREATE TABLE orders (id int PRIMARY KEY, kind text NOT NULL, amount numeric NOT NULL);
CREATE TABLE kinds (kind text PRIMARY KEY, class text);
INSERT INTO orders VALUES (1, 'a', 10), (2, 'b', 20), (3, 'a', 5);
INSERT INTO kinds VALUES ('a', 'x'), ('b', 'y');
