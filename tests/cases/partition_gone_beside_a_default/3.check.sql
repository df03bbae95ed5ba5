SELECT count(*) = 0 FROM (SELECT day, country, amount FROM sales EXCEPT SELECT day, country, sum(amount) FROM orders GROUP BY 1, 2) AS more;
SELECT count(*) = (SELECT count(*) FROM (SELECT FROM orders GROUP BY day, country) AS g) FROM sales;
