SELECT count(*) = 2 FROM pg_trigger WHERE tgname = 'datamart_touch_default'
