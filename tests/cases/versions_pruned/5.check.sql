SELECT NOT EXISTS (SELECT FROM pg_class WHERE relname LIKE 'sales%');
SELECT count(*) = 0 FROM datamart.versions;
