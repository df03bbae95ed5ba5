SELECT string_agg(indexname, ' ' ORDER BY indexname) = 'b_pkey stays' FROM pg_indexes WHERE tablename = 'b';
