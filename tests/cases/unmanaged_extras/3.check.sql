SELECT count(*) = 0 FROM pg_inherits;
