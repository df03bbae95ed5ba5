CREATE INDEX adhoc_day ON a (day); ALTER TABLE a SET (autovacuum_enabled = off); COMMENT ON VIEW b IS 'x';
