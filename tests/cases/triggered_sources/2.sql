DROP TRIGGER datamart_changes_default_public_orders_insert ON orders;
ALTER TABLE events ENABLE TRIGGER datamart_changes_default_public_events_update;
CREATE OR REPLACE TRIGGER "datamart_changes_default_public_Other Things_insert" AFTER INSERT ON "Other Things" FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION datamart."changes_default_public_Other Things"();
