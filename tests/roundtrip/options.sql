-- What a view is told: check options, barriers, whose rights; column lists; what hangs on it beside its query.
-- note s.ruled: rule log_it stays as it is; no manifest says it, and it goes along where the view is replaced
-- note s.triggered: INSTEAD OF trigger write_it stays as it is; no manifest says it, and it goes along where the view is replaced
-- note s.triggered: default of column id stays as it is; no manifest says it, and it goes along where the view is replaced
CREATE SCHEMA s;
CREATE TABLE s.t (id int PRIMARY KEY, name text, amount numeric(10, 2), at timestamptz);
CREATE TABLE s.log (what text);
CREATE VIEW s.checked_local AS SELECT * FROM s.t WHERE id > 0 WITH LOCAL CHECK OPTION;
CREATE VIEW s.checked_cascaded AS SELECT * FROM s.checked_local WHERE amount > 0 WITH CASCADED CHECK OPTION;
CREATE VIEW s.checked AS SELECT * FROM s.checked_cascaded WITH CHECK OPTION;
CREATE VIEW s.barrier WITH (security_barrier) AS SELECT id, name FROM s.t WHERE amount < 10;
CREATE VIEW s.no_barrier WITH (security_barrier = false, check_option = local) AS SELECT id, name FROM s.t WHERE amount < 11;
CREATE VIEW s.listed ("first", "Second", "the third") AS SELECT id, name, amount FROM s.t;
CREATE VIEW s.listed_some (a) AS SELECT id, name FROM s.t;
CREATE VIEW s.listed_values (n, word) AS VALUES (1, 'one'), (2, 'two'), (3, NULL);
CREATE VIEW s.ruled AS SELECT id, name FROM s.t;
CREATE RULE log_it AS ON INSERT TO s.ruled DO INSTEAD INSERT INTO s.log VALUES (NEW.name);
CREATE VIEW s.triggered AS SELECT id, name FROM s.t;
CREATE FUNCTION s.write_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER write_it INSTEAD OF INSERT ON s.triggered FOR EACH ROW EXECUTE FUNCTION s.write_it();
ALTER VIEW s.triggered ALTER COLUMN id SET DEFAULT 42;
CREATE VIEW s.on_triggered AS SELECT id + 1 AS id FROM s.triggered;
CREATE VIEW s.renamed_column AS SELECT id AS old, name FROM s.t;
ALTER VIEW s.renamed_column RENAME COLUMN old TO "New";
CREATE VIEW s.renamed_source AS SELECT id, name FROM s.t WHERE name <> '';
CREATE VIEW s.source_had_more AS SELECT t.* FROM s.t;
ALTER TABLE s.t ADD COLUMN more int;
ALTER TABLE s.t RENAME COLUMN name TO "Name";
ALTER TABLE s.t RENAME TO "T";
