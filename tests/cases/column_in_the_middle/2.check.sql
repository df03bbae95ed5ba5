SELECT is_kept('named');
SELECT string_agg(attname, ',' ORDER BY attnum) = 'id,region,amount' FROM pg_attribute WHERE attrelid = 'stored'::regclass AND attnum > 0;
SELECT has_table_privilege('public', 'star', 'SELECT') AND has_table_privilege('public', 'stored', 'SELECT');
