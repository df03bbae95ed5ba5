SELECT is_kept('w');
SELECT is_kept('ruled');
SELECT has_its_oid('w');
SELECT has_its_oid('ruled');
SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'w'::regclass AND tgname = 'ignored') AND EXISTS (SELECT FROM pg_attrdef WHERE adrelid = 'w'::regclass);
SELECT EXISTS (SELECT FROM pg_rules WHERE tablename = 'ruled' AND rulename = 'nothing');
