CREATE TABLE orders (id int, day date, country text, amount numeric);
INSERT INTO orders SELECT n, date '2026-03-20' + n, (ARRAY['DE', 'FR', 'US', 'JP'])[1 + n % 4], n FROM generate_series(0, 90) AS n;
