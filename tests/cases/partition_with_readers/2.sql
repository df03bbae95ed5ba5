CREATE VIEW reader AS SELECT country, sum(amount) AS amount FROM sales GROUP BY 1;
