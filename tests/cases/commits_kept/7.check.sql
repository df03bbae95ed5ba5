SELECT count(*) = 0 FROM pg_proc WHERE proname ~ '^(commits|changes)_';
SELECT count(*) = 0 FROM pg_class WHERE relname ~ '^(commits|changes)_';
SELECT count(*) = 0 FROM pg_trigger WHERE NOT tgisinternal;
