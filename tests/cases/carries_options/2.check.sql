SELECT reloptions @> '{autovacuum_enabled=false,fillfactor=90}' FROM pg_class WHERE oid = 'sums'::regclass;
SELECT reloptions = '{security_barrier=true}' FROM pg_class WHERE oid = 'shown'::regclass;
SELECT reloptions = '{security_barrier=on}' FROM pg_class WHERE oid = 'widened'::regclass;
SELECT reloptions = '{fillfactor=50}' FROM pg_class WHERE oid = 'counted'::regclass;
