SELECT obj_description('n'::regclass) = 'new';
SELECT has_table_privilege('{db}_reader', 'n', 'SELECT');
SELECT NOT has_table_privilege('{db}_all', 'n', 'SELECT');
SELECT to_regclass('n_pkey') IS NOT NULL AND to_regclass('n_day_idx') IS NOT NULL;
SELECT obj_description('c'::regclass) = 'by day';
