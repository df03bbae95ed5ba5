SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) = 'sales_v1_day_category_idx sales_v2_category_idx' FROM pg_index WHERE indrelid::regclass::text ~ '^sales';
