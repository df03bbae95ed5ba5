SELECT count(*) = 5 FROM pg_inherits WHERE inhparent = 'sales'::regclass;
SELECT to_regclass('theirs') IS NOT NULL;
