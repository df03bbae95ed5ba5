DROP TABLE sales_p1, sales_p2;
