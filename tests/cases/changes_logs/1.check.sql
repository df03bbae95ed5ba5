SELECT count(*) = 12 AND bool_and(tgenabled = 'A') FROM pg_trigger WHERE tgname LIKE 'datamart_changes_default_%'
