CREATE TABLE s (id int PRIMARY KEY, kind text NOT NULL, at timestamptz NOT NULL DEFAULT now());
INSERT INTO s VALUES (1, 'a'), (2, 'b');
