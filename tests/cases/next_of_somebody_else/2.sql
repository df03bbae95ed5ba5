CREATE VIEW c__next AS SELECT 1 AS x;
COMMENT ON VIEW c__next IS 'theirs';
CREATE TABLE copy AS SELECT 1 AS x;
COMMENT ON TABLE copy IS 'datamart: built aside by an apply of "default": public.c__next, sha256:00';
