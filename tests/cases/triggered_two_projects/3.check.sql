SELECT string_agg(tgname, ',') = 'datamart_touch_stock' FROM pg_trigger WHERE tgrelid = 'orders'::regclass
