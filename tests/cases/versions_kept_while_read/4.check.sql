SELECT string_agg(relname, ' ' ORDER BY relname) = 'sales sales_v4' FROM pg_class WHERE relname ~ '^sales';
