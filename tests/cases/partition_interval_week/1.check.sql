SELECT count(*) = 15 FROM pg_inherits WHERE inhparent = 'sales'::regclass;
