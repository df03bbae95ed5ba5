SELECT is_kept('mv');
SELECT is_kept('over_mv');
SELECT has_its_oid('over_mv');
SELECT EXISTS (SELECT FROM mv WHERE category = 'new');
SELECT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = 'mv'::regclass);
