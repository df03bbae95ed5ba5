SELECT n = 1 FROM public.a;
