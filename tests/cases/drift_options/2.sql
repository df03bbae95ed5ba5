ALTER TABLE a SET (fillfactor = 70, autovacuum_vacuum_threshold = 10); ALTER TABLE a RESET (autovacuum_enabled, toast.autovacuum_enabled); ALTER VIEW v RESET (security_barrier);
