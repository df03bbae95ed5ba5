SELECT count(*) = 4 FROM pg_trigger WHERE tgname LIKE 'datamart%' AND tgrelid = 'a'::regclass;
