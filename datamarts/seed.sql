-- A shop: run once, when the embedded database is created.
-- The same rows every time, relative to the day: every "random" number is a hash of the row's own number.

CREATE FUNCTION noise(row_number bigint, salt integer) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(row_number, salt) & 9007199254740991)::double precision / 9007199254740992;
COMMENT ON FUNCTION noise IS 'Between 0 and 1, the same for the same arguments';

CREATE TABLE products (
    product_id bigint PRIMARY KEY,
    name       text NOT NULL,
    category   text NOT NULL,
    price      numeric(10, 2) NOT NULL CHECK (price > 0)
);

INSERT INTO products (product_id, name, category, price)
SELECT p,
       (ARRAY['Aurora', 'Borea', 'Cirrus', 'Delta', 'Ember', 'Fjord', 'Grove', 'Harbor'])[1 + p % 8]
           || ' ' || k.noun || ' ' || p,
       k.category,
       round((k.base * (0.5 + 1.5 * noise(p, 1) ^ 2))::numeric, 2)
FROM generate_series(1, 120) AS p
JOIN (VALUES (0, 'Electronics', 'Headset', 220.0), (1, 'Home', 'Lamp', 75.0), (2, 'Clothing', 'Jacket', 60.0),
             (3, 'Books', 'Atlas', 22.0), (4, 'Sports', 'Racket', 90.0), (5, 'Toys', 'Puzzle', 28.0))
     AS k (id, category, noun, base) ON k.id = p % 6;

CREATE TABLE customers (
    customer_id bigint PRIMARY KEY,
    name        text NOT NULL,
    email       text NOT NULL UNIQUE,
    region      text NOT NULL,
    created_at  timestamptz NOT NULL
);

-- 10,000 customers, who came before the orders begin.
INSERT INTO customers (customer_id, name, email, region, created_at)
SELECT c,
       g.first || ' ' || f.last,
       lower(g.first || '.' || f.last) || '.' || c || '@example.com',
       CASE WHEN noise(c, 3) < 0.40 THEN 'Europe'
            WHEN noise(c, 3) < 0.75 THEN 'North America'
            WHEN noise(c, 3) < 0.90 THEN 'Asia'
            ELSE 'Latin America' END,
       current_date - interval '1 day' * (400 + 330 * noise(c, 4))
FROM generate_series(1, 10000) AS c
CROSS JOIN LATERAL (SELECT (ARRAY['Ana', 'Ben', 'Chloe', 'Daniel', 'Elif', 'Felipe', 'Grace', 'Hugo', 'Ines', 'Jonas',
                                  'Kira', 'Luis', 'Mina', 'Noah', 'Olga', 'Pablo', 'Quinn', 'Rosa', 'Samir', 'Tara'])
                           [1 + floor(20 * noise(c, 1))::int]) AS g (first)
CROSS JOIN LATERAL (SELECT (ARRAY['Alvarez', 'Brandt', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'Garcia', 'Hansen',
                                  'Ito', 'Jensen', 'Kowalski', 'Lopez', 'Moreau', 'Novak', 'Okafor', 'Patel'])
                           [1 + floor(16 * noise(c, 2))::int]) AS f (last);

CREATE TABLE orders (
    order_id         bigint NOT NULL,
    customer_id      bigint NOT NULL,
    product_id       bigint NOT NULL,
    order_date       date NOT NULL,
    product_category text NOT NULL,
    region           text NOT NULL,
    quantity         integer NOT NULL CHECK (quantity > 0),
    amount           numeric(12, 2) NOT NULL,
    status           text NOT NULL CHECK (status IN ('pending', 'paid', 'shipped', 'delivered', 'returned'))
);

-- 200,000 orders over the last 400 days: the business grows, weekends are strong, few customers and products make most of it.
WITH days AS (
    SELECT d AS ago,
           (1.6 - d / 500.0) * CASE extract(isodow FROM current_date - d)
                                    WHEN 5 THEN 1.15 WHEN 6 THEN 1.45 WHEN 7 THEN 1.30 WHEN 2 THEN 0.85 ELSE 1.0 END
               * (0.9 + 0.2 * noise(d, 10)) AS weight
    FROM generate_series(0, 399) AS d
), left_ago AS (
    -- Every fiftieth customer never orders, one of six stopped some time ago.
    SELECT customer_id,
           CASE WHEN customer_id % 50 = 0 THEN 400
                WHEN customer_id > 1 AND noise(customer_id, 5) < 0.16 THEN floor(30 + 330 * noise(customer_id, 6))::int
                ELSE 0 END AS ago
    FROM customers
), buyers AS (
    SELECT customer_id, ago,
           max(customer_id) FILTER (WHERE ago = 0) OVER (ORDER BY customer_id) AS stand_in
    FROM left_ago
), shares AS (
    SELECT ago,
           round(200000 * sum(weight) OVER (ORDER BY ago DESC) / sum(weight) OVER ())::bigint AS upto,
           round(200000 * (sum(weight) OVER (ORDER BY ago DESC) - weight) / sum(weight) OVER ())::bigint AS from_
    FROM days
), drawn AS MATERIALIZED (
    SELECT o, current_date - s.ago AS day, s.ago,
           1 + floor(10000 * (0.15 * noise(o, 11) + 0.85 * noise(o, 11) ^ 2))::bigint AS customer,
           1 + floor(120 * (0.4 * noise(o, 12) + 0.6 * noise(o, 12) ^ 2))::bigint AS product,
           1 + floor(4 * noise(o, 13) ^ 3)::int AS quantity,
           noise(o, 14) AS luck
    FROM shares AS s, generate_series(s.from_ + 1, s.upto) AS o
)
INSERT INTO orders
SELECT d.o, c.customer_id, p.product_id, d.day, p.category, c.region, d.quantity, p.price * d.quantity,
       CASE WHEN d.luck < 0.04 THEN 'returned'
            WHEN d.ago < 1 THEN 'pending'
            WHEN d.ago < 3 THEN 'paid'
            WHEN d.ago < 7 THEN 'shipped'
            ELSE 'delivered' END
FROM drawn AS d
JOIN buyers AS b ON b.customer_id = d.customer
JOIN customers AS c ON c.customer_id = CASE WHEN d.ago < b.ago THEN b.stand_in ELSE b.customer_id END
JOIN products AS p ON p.product_id = d.product
ORDER BY d.o;

ALTER TABLE orders
    ADD PRIMARY KEY (order_id),
    ADD FOREIGN KEY (customer_id) REFERENCES customers,
    ADD FOREIGN KEY (product_id) REFERENCES products;
CREATE INDEX ON orders (order_date);
CREATE INDEX ON orders (customer_id);

CREATE TABLE sessions (
    session_id  bigint NOT NULL,
    customer_id bigint,
    region      text NOT NULL,
    started_at  timestamptz NOT NULL,
    duration    integer NOT NULL,
    device      text NOT NULL
);
COMMENT ON COLUMN sessions.duration IS 'seconds';

-- 20,000 sessions of the last 35 days, most of them in the evening (UTC), two of three by a known customer.
INSERT INTO sessions
SELECT s, c.customer_id,
       coalesce(c.region, (ARRAY['Europe', 'North America', 'Asia', 'Latin America'])[1 + s % 4]),
       current_date - interval '1 day' * floor(35 * noise(s, 21) + 1)
           + interval '1 second' * floor(86400 * (1 - noise(s, 22) ^ 1.7)),
       20 + floor(1800 * noise(s, 23) ^ 3)::int,
       CASE WHEN noise(s, 24) < 0.58 THEN 'phone' WHEN noise(s, 24) < 0.92 THEN 'desktop' ELSE 'tablet' END
FROM generate_series(1, 20000) AS s
LEFT JOIN customers AS c ON c.customer_id = 1 + floor(10000 * (0.15 * noise(s, 25) + 0.85 * noise(s, 25) ^ 2))::bigint AND s % 3 > 0
ORDER BY s;

CREATE TABLE events (
    event_id         bigint NOT NULL,
    event_timestamp  timestamptz NOT NULL,
    event_type       text NOT NULL CHECK (event_type IN ('view', 'cart', 'purchase')),
    product_id       bigint NOT NULL,
    customer_id      bigint,
    session_id       bigint NOT NULL,
    region           text NOT NULL,
    revenue          numeric(12, 2) NOT NULL,
    session_duration integer NOT NULL
);
COMMENT ON COLUMN events.session_duration IS 'seconds, of the session it belongs to';

-- Four events in a session on average.
INSERT INTO events
SELECT row_number() OVER (ORDER BY s.session_id, n), e.at, e.type, p.product_id, s.customer_id, s.session_id, s.region,
       CASE e.type WHEN 'purchase' THEN p.price ELSE 0 END, s.duration
FROM sessions AS s
CROSS JOIN LATERAL generate_series(1, 1 + floor(7 * noise(s.session_id, 31))::int) AS n
CROSS JOIN LATERAL (SELECT noise(s.session_id * 8 + n, 32)) AS k (luck)
JOIN products AS p ON p.product_id = 1 + floor(120 * (0.4 * k.luck + 0.6 * k.luck ^ 2))::bigint
CROSS JOIN LATERAL (SELECT s.started_at + interval '1 second' * floor(s.duration * n / 8.0),
                           CASE WHEN noise(s.session_id * 8 + n, 33) < 0.82 THEN 'view'
                                WHEN noise(s.session_id * 8 + n, 33) < 0.95 THEN 'cart'
                                ELSE 'purchase' END) AS e (at, type)
ORDER BY 1;

ALTER TABLE sessions
    ADD PRIMARY KEY (session_id),
    ADD FOREIGN KEY (customer_id) REFERENCES customers;
ALTER TABLE events
    ADD PRIMARY KEY (event_id),
    ADD FOREIGN KEY (product_id) REFERENCES products,
    ADD FOREIGN KEY (customer_id) REFERENCES customers,
    ADD FOREIGN KEY (session_id) REFERENCES sessions;
CREATE INDEX ON events (event_timestamp);
CREATE INDEX ON sessions (started_at);

DROP FUNCTION noise;
ANALYZE products, customers, orders, sessions, events;
