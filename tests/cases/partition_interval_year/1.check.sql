SELECT count(*) = 2 FROM pg_inherits WHERE inhparent = 'sales'::regclass;
