SELECT n = 1000 FROM public.sales_b;
SELECT count(*) = 5 FROM public.sales_v2;
