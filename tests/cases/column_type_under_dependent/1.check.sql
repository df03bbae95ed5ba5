SELECT count(*) = 2 FROM pg_attribute WHERE attrelid IN ('base'::regclass, 'v'::regclass) AND attname = 'amount' AND format_type(atttypid, NULL) = 'integer';
SELECT s = 20100 FROM w;
