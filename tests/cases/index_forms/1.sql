CREATE TABLE docs (id int, body text, at timestamptz, tags text[], data jsonb, note text);
INSERT INTO docs SELECT i, 'b' || i, now(), array['x'], '{}', NULL FROM generate_series(1, 20) AS i;
