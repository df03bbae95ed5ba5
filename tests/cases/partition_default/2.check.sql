SELECT tableoid::regclass::text = 'sales_y2026_m09' FROM sales WHERE country = 'XX';
SELECT count(*) = 7 FROM pg_inherits WHERE inhparent = 'sales'::regclass;
