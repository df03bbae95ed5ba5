DROP TRIGGER datamart_touch_default ON orders;
ALTER TABLE events ENABLE TRIGGER datamart_touch_default;
CREATE OR REPLACE TRIGGER datamart_touch_default AFTER INSERT ON "Other Things" FOR EACH STATEMENT EXECUTE FUNCTION datamart.touch();
