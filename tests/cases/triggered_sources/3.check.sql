SELECT count(*) = 4 AND bool_and(tgenabled = 'A') FROM pg_trigger WHERE tgname = 'datamart_touch_default'
