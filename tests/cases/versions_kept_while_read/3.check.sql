SELECT string_agg(relname, ' ' ORDER BY relname) = 'sales sales_v1 sales_v3' FROM pg_class WHERE relname ~ '^sales';
