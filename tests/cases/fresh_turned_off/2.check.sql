SELECT pg_get_viewdef('ma'::regclass) NOT LIKE '%AS q%';
