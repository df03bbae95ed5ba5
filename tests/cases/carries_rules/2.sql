CREATE TABLE log (id int);
CREATE RULE "to log" AS ON INSERT TO t WHERE NEW.amount > (SELECT avg(amount) FROM t) DO ALSO INSERT INTO log VALUES (NEW.id); CREATE RULE quiet AS ON DELETE TO t DO INSTEAD NOTHING; ALTER TABLE t DISABLE RULE quiet; COMMENT ON RULE quiet ON t IS 'off';
CREATE RULE v_to AS ON UPDATE TO v DO INSTEAD UPDATE t SET amount = NEW.amount WHERE id = OLD.id;
CREATE TABLE was0 AS SELECT pg_get_ruledef(oid) || ev_enabled::text || coalesce(obj_description(oid, 'pg_rewrite'), '') AS fact FROM pg_rewrite WHERE ev_class IN ('t'::regclass, 'v'::regclass) AND rulename <> '_RETURN';
