-- stays
-- Owners that may not make again what they own, nor read what it reads: it is adopted all the same.
CREATE ROLE {db}_poor;
CREATE ROLE {db}_gone;
CREATE SCHEMA s;
CREATE SCHEMA closed;
CREATE TABLE s.t (id int, a text);
CREATE TABLE closed.t (id int);
CREATE FUNCTION closed.f(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE VIEW s.no_rights AS SELECT id, a FROM s.t;
ALTER VIEW s.no_rights OWNER TO {db}_poor;
CREATE VIEW s.no_usage AS SELECT t.id, closed.f(t.id) AS f FROM closed.t;
ALTER VIEW s.no_usage OWNER TO {db}_poor;
CREATE MATERIALIZED VIEW closed.stored AS SELECT id, a FROM s.no_rights WITH NO DATA;
CREATE UNIQUE INDEX ON closed.stored (id);
ALTER MATERIALIZED VIEW closed.stored OWNER TO {db}_gone;
CREATE VIEW closed.mine AS SELECT n.id FROM s.no_usage n JOIN closed.stored USING (id);
GRANT SELECT ON closed.mine TO {db}_poor, PUBLIC;
