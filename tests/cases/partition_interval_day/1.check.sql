SELECT count(*) = 91 FROM pg_inherits WHERE inhparent = 'sales'::regclass;
