SELECT string_agg(DISTINCT tgrelid::regclass::text, ',') = 'orders' FROM pg_trigger WHERE tgname LIKE 'datamart_changes_default_%'
