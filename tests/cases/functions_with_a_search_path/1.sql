CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, category text, region text, amount numeric);
INSERT INTO orders SELECT i, date '2024-01-01' + i % 30, 'c' || i % 4, 'r' || i % 3, i FROM generate_series(1, 200) AS i;
CREATE TABLE rates (region text PRIMARY KEY, rate numeric NOT NULL);
INSERT INTO rates VALUES ('r0', 1), ('r1', 2), ('r2', 3);
CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE FUNCTION rate(text) RETURNS numeric LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS
'BEGIN RETURN (SELECT r.rate FROM rates AS r WHERE r.region = $1); END';
CREATE FUNCTION code(text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS 'SELECT plain($1)';
CREATE FUNCTION standard(text) RETURNS numeric LANGUAGE sql STABLE BEGIN ATOMIC SELECT max(rate) FROM rates WHERE region = $1; END;
