SELECT relreplident = 'f' FROM pg_class WHERE oid = 'parts'::regclass;
