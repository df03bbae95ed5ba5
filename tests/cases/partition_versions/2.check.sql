SELECT count(*) = 2 FROM pg_class WHERE relname IN ('sales_v1', 'sales_v2') AND relkind = 'p';
SELECT count(*) = 5 FROM pg_class WHERE relname ~ '^sales_v2_y2026_m' AND relkind = 'r';
