SELECT d ~ '\.2024' AND i = 'P1DT2H' FROM public.a;
SELECT x = 1 FROM public.b;
SELECT d = date '2024-04-03' FROM public.c;
