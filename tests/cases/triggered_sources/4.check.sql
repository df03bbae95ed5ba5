SELECT count(*) = 5 AND bool_and(tgenabled = 'A') FROM pg_trigger WHERE tgname = 'datamart_touch_default'
