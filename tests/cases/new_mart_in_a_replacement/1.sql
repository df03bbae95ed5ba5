CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, category text, amount numeric);
INSERT INTO orders SELECT i, date '2024-01-01' + i % 30, 'c' || i % 4, i FROM generate_series(1, 200) AS i;
CREATE ROLE {db}_reader;
CREATE ROLE {db}_all;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT ON TABLES TO {db}_all;
