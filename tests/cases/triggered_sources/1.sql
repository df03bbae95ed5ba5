CREATE TABLE orders (id int PRIMARY KEY, region text NOT NULL, amount numeric NOT NULL);
CREATE VIEW recent AS SELECT region, amount FROM orders WHERE id > 0;
CREATE TABLE events (day date NOT NULL, what text NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE "Other Things" (id int PRIMARY KEY);
INSERT INTO orders VALUES (1, 'north', 10), (2, 'south', 20);
