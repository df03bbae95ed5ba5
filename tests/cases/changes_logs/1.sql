CREATE TABLE orders (id int PRIMARY KEY, region text NOT NULL, kind text, amount numeric NOT NULL);
CREATE TABLE events (day date NOT NULL, what text NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO orders VALUES (1, 'north', 'a', 10), (2, 'south', 'b', 20);
