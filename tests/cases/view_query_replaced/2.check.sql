SELECT has_table_privilege('{db}_r', 'public.sales', 'SELECT') AND has_table_privilege('{db}_r', 'public.keeper', 'SELECT');
SELECT col_description('public.sales'::regclass, 1) = 'by hand';
