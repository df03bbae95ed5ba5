SELECT min(day) = '2024-06-01 00:00+00' AND min(since) = '2024-06-01 00:00+00' FROM public.a;
SELECT min(day) = '2024-05-31 00:00-05' AND min(since) = '2024-06-01 00:00-05' FROM public.b;
