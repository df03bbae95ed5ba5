SELECT count(*) = 1 FROM pg_attribute WHERE attrelid = 'st'::regclass AND attname = 'z';
