SELECT (SELECT o FROM public.mark) = 'public.sales'::regclass::oid;
SELECT has_table_privilege('{db}_r', 'public.sales', 'SELECT');
