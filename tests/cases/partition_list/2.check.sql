SELECT string_agg(DISTINCT tableoid::regclass::text, ' ') = 'sales_asia sales_eu sales_us' FROM sales;
