SELECT NOT EXISTS (SELECT FROM pg_class WHERE relname LIKE 'daily_v%');
SELECT count(*) = 0 FROM datamart.versions;
