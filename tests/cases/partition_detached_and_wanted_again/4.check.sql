SELECT to_regclass('sales_y2026_m04_detached_2') IS NOT NULL;
