SELECT bool_and(inhrelid::regclass::text ~ '^revenue_y2026_m0.$') FROM pg_inherits WHERE inhparent = 'revenue'::regclass;
