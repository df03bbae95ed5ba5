SELECT has_table_privilege('{db}_reader', 'x', 'SELECT') AND has_table_privilege('{db}_reader', 'over', 'SELECT');
SELECT obj_description('x'::regclass) = 'x';
SELECT t = (SELECT sum(amount) FROM orders) FROM top;
SELECT relkind = 'r' FROM pg_class WHERE oid = 'x'::regclass;
