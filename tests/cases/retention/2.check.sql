SELECT (SELECT count(*) FROM public.kept) BETWEEN 11 AND 13;
SELECT (SELECT count(*) FROM public."all") = 8;
SELECT 1000 IN (SELECT id FROM public.kept);
