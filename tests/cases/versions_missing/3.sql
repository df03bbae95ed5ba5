DROP TABLE sales_v1; DROP VIEW sales; DROP TABLE sales_v2;
