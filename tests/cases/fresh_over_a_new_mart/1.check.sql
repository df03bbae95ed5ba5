SELECT count(*) = 4 FROM pg_trigger WHERE tgrelid = 'up'::regclass AND tgenabled = 'A' AND tgname LIKE 'datamart_changes_default_public_up_%';
SELECT pg_get_viewdef('dn'::regclass) LIKE '%changes_default_public_up_0%';
