SELECT n > 0 FROM public.a;
