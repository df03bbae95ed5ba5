SELECT to_regclass('sales_y2026_m04') IS NULL AND to_regclass('sales_y2026_m04_detached') IS NOT NULL;
SELECT count(*) = 12 FROM sales_y2026_m03_detached;
