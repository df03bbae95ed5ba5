SELECT string_agg(relname || relkind::text, ' ' ORDER BY relname) = 'salesv sales_v2v sales_v3v' FROM pg_class WHERE relname ~ '^sales';
SELECT count(*) = 994 FROM sales_v2;
SELECT reloptions::text = '{security_barrier=true}' FROM pg_class WHERE relname = 'sales_v3'
