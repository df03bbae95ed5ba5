SELECT count(*) = 0 FROM pg_trigger WHERE tgname LIKE 'datamart_touch%'
