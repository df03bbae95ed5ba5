CREATE TABLE child (t_id int NOT NULL, n int); INSERT INTO child SELECT id, id FROM orders LIMIT 50;
ALTER TABLE child ADD CONSTRAINT "of t" FOREIGN KEY (t_id) REFERENCES t ON UPDATE CASCADE ON DELETE RESTRICT DEFERRABLE; COMMENT ON CONSTRAINT "of t" ON child IS 'kept';
ALTER TABLE child ADD CONSTRAINT unchecked FOREIGN KEY (n) REFERENCES t (id) NOT VALID;
CREATE TABLE parts (t_id int REFERENCES t) PARTITION BY LIST (t_id); CREATE TABLE parts_1 PARTITION OF parts DEFAULT; INSERT INTO parts VALUES (3);
CREATE TABLE was0 AS SELECT conrelid::regclass::text || conname || pg_get_constraintdef(oid) || convalidated || coalesce(obj_description(oid, 'pg_constraint'), '') AS fact FROM pg_constraint WHERE confrelid = 't'::regclass;
