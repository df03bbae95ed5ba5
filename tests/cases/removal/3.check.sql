SELECT to_regclass('public.a') IS NULL AND to_regclass('public.t') IS NULL;
SELECT count(*) = 1 FROM datamart.marts WHERE status = 'active';
