SELECT (a, b, m, n) = ('public.b'::regclass, 'public.a'::regclass, 'public.n'::regclass, 'public.m'::regclass) FROM public.mark;
