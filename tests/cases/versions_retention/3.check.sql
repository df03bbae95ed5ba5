SELECT count(*) = 5 AND pg_get_viewdef('sales'::regclass) ~ 'sales_v1' FROM sales;
