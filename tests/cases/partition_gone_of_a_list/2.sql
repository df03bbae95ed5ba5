DROP TABLE sales_eu, sales_default;
