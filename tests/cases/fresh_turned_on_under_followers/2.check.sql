SELECT count(*) = 0 FROM pg_class WHERE relname LIKE 'changes\_default\_public\_m2\__';
