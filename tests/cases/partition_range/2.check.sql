SELECT count(*) = 7 FROM pg_inherits WHERE inhparent = 'sales'::regclass;
SELECT bool_and(reloptions = '{fillfactor=80}') FROM pg_class JOIN pg_inherits ON oid = inhrelid WHERE inhparent = 'sales'::regclass;
