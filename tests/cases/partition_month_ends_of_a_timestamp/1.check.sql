SELECT string_agg(tableoid::regclass::text, ' ' ORDER BY n) = 'sales_y2024_m02 sales_y2024_m03 sales_y2024_m12 sales_y2025_m01' FROM sales;
