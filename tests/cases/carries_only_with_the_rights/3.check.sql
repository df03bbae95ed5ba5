SELECT count(*) = 1 FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname = 'note';
