SELECT string_agg(tgrelid::regclass::text, ',') = 'returns' FROM pg_trigger WHERE tgname = 'datamart_touch_default'
