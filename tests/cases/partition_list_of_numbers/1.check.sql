SELECT string_agg(DISTINCT tableoid::regclass::text, ' ') = 'sales_high sales_low' FROM sales;
