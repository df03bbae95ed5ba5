CREATE VIEW theirs AS SELECT * FROM sales_v1;
