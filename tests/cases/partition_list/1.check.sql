SELECT count(*) = 3 AND min(c) > 0 FROM (SELECT tableoid, count(*) AS c FROM sales GROUP BY 1) AS t;
