SELECT count(*) = 30 FROM sales_v1_y2026_m04;
