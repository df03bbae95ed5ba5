SELECT count(*) = 5 FROM pg_indexes WHERE indexname ~ '^sales_y2026_m0._country_idx$';
SELECT count(*) = 5 FROM pg_indexes WHERE indexname ~ '^sales_y2026_m0._pkey$';
