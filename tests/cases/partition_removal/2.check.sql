SELECT NOT EXISTS (SELECT FROM pg_class WHERE relname ~ '^sales');
