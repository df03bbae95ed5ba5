SELECT (a, b, m, n) = ('public.a'::regclass, 'public.b'::regclass, 'public.n'::regclass, 'public.m'::regclass) FROM public.mark;
