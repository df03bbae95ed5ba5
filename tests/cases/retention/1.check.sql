SELECT (SELECT count(*) FROM public.kept) BETWEEN 91 AND 93;
SELECT (SELECT count(*) FROM public.at) = 3;
SELECT (SELECT count(*) FROM public."all") = 201;
