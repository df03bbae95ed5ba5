ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0); ALTER TABLE t ADD CONSTRAINT later CHECK (amount > 10) NOT VALID; COMMENT ON CONSTRAINT positive ON t IS 'they are';
ALTER TABLE t ADD CONSTRAINT "one each" UNIQUE (category, id) INCLUDE (day) WITH (fillfactor = 70) DEFERRABLE INITIALLY DEFERRED; COMMENT ON CONSTRAINT "one each" ON t IS 'unique'; COMMENT ON CONSTRAINT t_pkey ON t IS 'key';
ALTER TABLE t ADD CONSTRAINT apart EXCLUDE USING btree (id WITH =) WHERE (amount > 0);
CREATE TABLE days (day date PRIMARY KEY); INSERT INTO days SELECT DISTINCT day FROM orders;
ALTER TABLE t ADD CONSTRAINT of_day FOREIGN KEY (day) REFERENCES days ON DELETE CASCADE; ALTER TABLE t ADD CONSTRAINT itself FOREIGN KEY (id) REFERENCES t (id) NOT VALID;
CREATE TABLE was0 AS SELECT conname || contype::text || pg_get_constraintdef(oid) || convalidated || coalesce(obj_description(oid, 'pg_constraint'), '') AS fact FROM pg_constraint WHERE conrelid = 't'::regclass AND contype <> 'n';
CREATE TABLE was1 AS SELECT indexdef AS fact FROM pg_indexes WHERE tablename = 't';
