SELECT string_agg(tgrelid::regclass::text, ',') = 'orders' FROM pg_trigger WHERE tgname = 'datamart_touch_default'
