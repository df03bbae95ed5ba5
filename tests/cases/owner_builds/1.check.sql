SELECT me = '{db}_owner' FROM public.a;
SELECT me = '{db}_owner' FROM public.m;
SELECT relowner::regrole::text = '{db}_owner' FROM pg_class WHERE relname = 'a_pkey';
