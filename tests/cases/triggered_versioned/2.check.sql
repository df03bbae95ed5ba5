SELECT string_agg(DISTINCT tgrelid::regclass::text, ',') = 'returns' FROM pg_trigger WHERE tgname LIKE 'datamart_changes_default_%'
