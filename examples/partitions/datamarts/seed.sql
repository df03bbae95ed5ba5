-- Transactions of 12 months: run once, when the embedded database is created.
-- SET example.transactions = '50000' before it makes a smaller one.

CREATE TABLE categories (category_id int PRIMARY KEY, name text NOT NULL);
INSERT INTO categories SELECT n, 'category ' || n FROM generate_series(0, 19) AS n;

CREATE TABLE transactions (
    transaction_id bigint PRIMARY KEY,
    at             timestamptz NOT NULL,
    customer_id    int NOT NULL,
    category_id    int NOT NULL REFERENCES categories,
    amount         numeric(12, 2) NOT NULL
);

WITH size AS (
    SELECT coalesce(nullif(current_setting('example.transactions', true), ''), '5000000')::bigint AS n
)
INSERT INTO transactions
SELECT i, date_trunc('month', now()) - interval '11 months' + (now() - date_trunc('month', now()) + interval '11 months') * (i::float8 / n),
       (hashint8(i) & 199999)::int, (hashint8(i * 7) & 2147483647) % 20, (hashint8(i * 13) & 65535) / 100.0
FROM size, generate_series(1, n) AS i;

CREATE INDEX ON transactions (at);
ANALYZE;
