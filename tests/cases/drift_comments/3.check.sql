SELECT col_description('public.a'::regclass, 2) = 'theirs';
