SELECT (v, m, t, r, k) = ('public.v2'::regclass, 'public.m2'::regclass, 'public.t2'::regclass, 'public.reader'::regclass, 'public.keeper'::regclass) FROM public.mark;
