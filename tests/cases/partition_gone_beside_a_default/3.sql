DROP TABLE sales_default;
