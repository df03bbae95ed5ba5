ALTER TABLE a SET (autovacuum_enabled = off);
