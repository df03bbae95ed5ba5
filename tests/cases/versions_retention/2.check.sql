SELECT count(*) = 5 AND min(day) = current_date FROM sales;
SELECT count(*) = 5 FROM sales_v1;
