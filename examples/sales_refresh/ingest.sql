-- Takes over a day's exports of the three systems. A second time it finds nothing new. `-v day=2026-01-31` is for another
-- day than today; what is not known (a product, a place) stops all of it.
\set ON_ERROR_STOP 1
\if :{?day}
\else
    \set day today
\endif
\set toast `cat exports/toast_pos_export.json`
\set doordash `cat exports/doordash_orders.json`

SET TimeZone = 'America/New_York';
BEGIN;

CREATE TEMPORARY TABLE arrived (
    source_system  text NOT NULL,
    order_number   text NOT NULL,
    location       text NOT NULL,
    order_type     text NOT NULL,
    at             time NOT NULL,
    item           text NOT NULL,
    quantity       integer NOT NULL,
    tip_cents      integer NOT NULL,
    payment_method text NOT NULL
) ON COMMIT DROP;

INSERT INTO arrived
SELECT 'toast', o.guid, o.restaurant, CASE o."diningOption" WHEN 'Dine In' THEN 'dine_in' ELSE 'takeout' END, o."openedAt",
       i.name, i.quantity, o."tipCents", o.tender
FROM jsonb_to_recordset((:'toast')::jsonb -> 'orders')
     AS o (guid text, restaurant text, "diningOption" text, "openedAt" time, selections jsonb, "tipCents" integer, tender text),
     jsonb_to_recordset(o.selections) AS i (name text, quantity integer);

INSERT INTO arrived
SELECT 'doordash', o.delivery_id, o.store, 'delivery', o.placed, i.key, i.value::integer, o.dasher_tip, 'wallet'
FROM jsonb_to_recordset((:'doordash')::jsonb) AS o (delivery_id text, store text, placed time, items jsonb, dasher_tip integer),
     jsonb_each_text(o.items) AS i;

CREATE TEMPORARY TABLE square (
    order_number text, location text, at time, item text, quantity integer, tip_cents integer, tender text
) ON COMMIT DROP;
\copy square FROM 'exports/square_orders.csv' WITH (FORMAT csv, HEADER)
INSERT INTO arrived
SELECT 'square', order_number, location, 'takeout', at, item, quantity, tip_cents, tender FROM square;

WITH priced AS (
    SELECT a.*, (:'day')::date || ' ' || a.order_number AS source_order_id, l.location_id, p.product_id, p.price_cents * a.quantity AS revenue_cents
    FROM arrived AS a
    LEFT JOIN locations AS l ON l.name = a.location
    LEFT JOIN products AS p ON p.name = a.item
), taken AS (
    INSERT INTO orders (source_system, source_order_id, location_id, order_type, order_date, ordered_at, subtotal_cents, tax_cents, tip_cents)
    SELECT source_system, source_order_id, location_id, order_type, (:'day')::date, (:'day')::date + at,
           sum(revenue_cents), round(0.08 * sum(revenue_cents)), tip_cents
    FROM priced
    GROUP BY source_system, source_order_id, location_id, order_type, at, tip_cents
    ON CONFLICT (source_system, source_order_id) DO NOTHING
    RETURNING order_id, source_system, source_order_id, subtotal_cents + tax_cents + tip_cents AS total_cents
), items AS (
    INSERT INTO order_items
    SELECT order_id, row_number() OVER (PARTITION BY order_id ORDER BY product_id), product_id, quantity, revenue_cents
    FROM priced JOIN taken USING (source_system, source_order_id)
), paid AS (
    INSERT INTO payments
    SELECT DISTINCT order_id, payment_method, total_cents FROM priced JOIN taken USING (source_system, source_order_id)
)
SELECT count(*) AS orders FROM taken
\gset
COMMIT;
\echo Took over :orders orders.
