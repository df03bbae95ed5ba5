SELECT count(*) = 0 FROM (SELECT day, country, amount FROM sales EXCEPT SELECT day, country, sum(amount) FROM orders GROUP BY 1, 2) AS more;
SELECT count(*) = (SELECT count(*) FROM (SELECT FROM orders GROUP BY day, country) AS g) FROM sales;
SELECT to_regclass('sales_y2026_m05_detached') IS NOT NULL AND to_regclass('second_half') IS NOT NULL AND to_regclass('rest') IS NOT NULL;
SELECT count(*) = 5 FROM pg_inherits WHERE inhparent = 'sales'::regclass;
