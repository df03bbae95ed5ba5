SELECT 'public.sales'::regclass IS NOT NULL;
