SELECT string_agg(DISTINCT tableoid::regclass::text, ' ') = 'sales_p0 sales_p1' FROM sales;
