CREATE TABLE sales_v2 (a int);
