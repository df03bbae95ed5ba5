SELECT count(*) = 4 FROM pg_trigger WHERE tgrelid = 'cx'::regclass AND tgname LIKE 'datamart_changes_default_public_cx_%';
SELECT count(*) = 0 FROM pg_class WHERE relname LIKE 'changes_default_public_c1%';
