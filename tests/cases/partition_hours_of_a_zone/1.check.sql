SELECT count(DISTINCT tableoid) = 4 FROM sales;
