DROP TABLE sales_y2026_m03, sales_y2026_m05;
