SELECT (a, t) = (pg_relation_filenode('public.a'), pg_relation_filenode('public.t')) FROM public.mark;
