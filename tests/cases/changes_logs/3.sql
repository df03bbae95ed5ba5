ALTER TABLE orders DISABLE TRIGGER datamart_changes_default_public_orders_update;
CREATE OR REPLACE FUNCTION datamart.changes_default_public_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NULL; END';
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
