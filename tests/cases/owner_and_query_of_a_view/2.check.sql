SELECT count(*) = 2 FROM pg_class WHERE relowner = '{db}_b'::regrole AND relname IN ('v', 'm');
