CREATE MATERIALIZED VIEW mv AS SELECT day FROM a; CREATE INDEX i ON mv (day); CREATE TABLE mv__next (x int); CREATE INDEX i__next ON mv__next (x); COMMENT ON TABLE mv__next IS 'theirs';
CREATE VIEW v AS SELECT day FROM a;
