CREATE FUNCTION write() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE ROLE {db}_bi;
CREATE TRIGGER act INSTEAD OF INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION write(); COMMENT ON TRIGGER act ON t IS 'writes'; ALTER VIEW t ALTER COLUMN id SET DEFAULT 7; COMMENT ON VIEW t IS 'a view'; GRANT INSERT ON t TO {db}_bi;
CREATE TABLE was0 AS SELECT pg_get_triggerdef(oid) || tgenabled::text || obj_description(oid, 'pg_trigger') AS fact FROM pg_trigger WHERE tgrelid = 't'::regclass;
CREATE TABLE was1 AS SELECT attname || pg_get_expr(adbin, adrelid) || obj_description(adrelid) AS fact FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum;
CREATE TABLE was2 AS SELECT relacl::text || reloptions::text AS fact FROM pg_class WHERE oid = 't'::regclass;
