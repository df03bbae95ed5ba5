SELECT count(*) = 4 AND bool_and(tgname LIKE 'datamart_changes_stock_%') FROM pg_trigger WHERE tgrelid = 'orders'::regclass
