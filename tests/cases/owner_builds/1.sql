CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, category text, region text, amount numeric);
INSERT INTO orders SELECT i, date '2024-01-01' + i % 30, 'c' || i % 4, 'r' || i % 3, i FROM generate_series(1, 200) AS i;
CREATE ROLE {db}_owner; GRANT SELECT ON orders TO {db}_owner; GRANT CREATE ON SCHEMA public TO {db}_owner; CREATE FUNCTION me() RETURNS text LANGUAGE sql STABLE AS 'SELECT current_user::text';
