SELECT count(*) = 8 FROM pg_trigger WHERE tgname LIKE 'datamart_changes_default_%'
