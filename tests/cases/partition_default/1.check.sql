SELECT count(*) > 2 FROM sales_default;
SELECT count(*) = 4 FROM pg_inherits WHERE inhparent = 'sales'::regclass;
