-- Run once, when the embedded database is created.
CREATE TABLE orders (
    order_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_date date NOT NULL,
    product    text NOT NULL,
    amount     numeric(10, 2) NOT NULL
);

INSERT INTO orders (order_date, product, amount)
SELECT current_date - (n % 60), (ARRAY['tea', 'coffee', 'cocoa', 'mate'])[1 + n % 4], 5 + n % 37
FROM generate_series(1, 5000) AS n;
