CREATE TABLE events (id int PRIMARY KEY, day date, at timestamptz, local timestamp, note text);
INSERT INTO events SELECT i, current_date - i, now() - i * interval '1 day', localtimestamp - i * interval '1 day', 'n' FROM generate_series(0, 199) AS i;
INSERT INTO events (id) VALUES (1000);
