SELECT array_agg(indexname ORDER BY indexname)::text = '{by_day_month_category_idx,latest_category_idx}' FROM pg_indexes WHERE schemaname = 'public' AND indexname <> 'orders_pkey';
