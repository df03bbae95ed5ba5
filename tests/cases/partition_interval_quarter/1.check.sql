SELECT count(*) = 3 FROM pg_inherits WHERE inhparent = 'sales'::regclass;
