SELECT reloptions = '{fillfactor=90}' FROM pg_class WHERE oid = 'sums'::regclass;
SELECT bool_and(reloptions IS NULL) FROM pg_class WHERE relname IN ('shown', 'widened', 'counted');
