SELECT is_kept('w');
SELECT has_its_oid('w');
SELECT pg_get_viewdef('v'::regclass) LIKE '%FROM a;' AND obj_description('v'::regclass) = 'Between' AND has_table_privilege('{db}_bi', 'v', 'SELECT');
SELECT format_type(atttypid, atttypmod) = 'numeric' FROM pg_attribute WHERE attrelid = 'v'::regclass AND attname = 'total';
SELECT has_table_privilege('{db}_bi', 'mv', 'SELECT') AND EXISTS (SELECT FROM pg_indexes WHERE tablename = 'mv' AND indexname = 'mv_day_idx');
SELECT (SELECT sum(more) FROM mv) = (SELECT sum(amount) + 30 FROM orders);
