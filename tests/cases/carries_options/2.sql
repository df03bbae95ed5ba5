-- Options that nobody declared go along with what takes the place of a relation, and drift goes on.
ALTER TABLE sums SET (autovacuum_enabled = false, toast.autovacuum_enabled = off);
ALTER VIEW shown SET (security_barrier);
ALTER VIEW widened SET (security_barrier = on);
ALTER MATERIALIZED VIEW counted SET (fillfactor = 50);
