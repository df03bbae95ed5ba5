SELECT string_agg(tgname, ',') = 'stays' FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal;
SELECT count(*) = 0 FROM pg_policy;
SELECT count(*) = 1 FROM pg_constraint WHERE conrelid = 'child'::regclass AND convalidated;
SELECT count(*) = 0 FROM pg_statistic_ext;
