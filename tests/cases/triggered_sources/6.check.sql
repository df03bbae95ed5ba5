SELECT count(*) = 4 FROM pg_trigger WHERE tgname = 'datamart_touch_default'
