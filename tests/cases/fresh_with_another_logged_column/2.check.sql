SELECT pg_get_viewdef('gr'::regclass) LIKE '%changes_default_public_src_0%';
