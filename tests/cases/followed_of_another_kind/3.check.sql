SELECT count(*) = 12 FROM pg_trigger WHERE tgname LIKE 'datamart%' AND tgrelid::regclass::text IN ('a', 'a_p0', 'a_p1');
