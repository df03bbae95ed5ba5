SELECT (a, b) = ('public.b'::regclass, 'public.c'::regclass) FROM public.mark;
SELECT count(*) = 3 FROM datamart.marts;
