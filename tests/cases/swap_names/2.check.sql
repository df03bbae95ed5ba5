SELECT (a, b, m, n) = ('public.b'::regclass, 'public.a'::regclass, 'public.n'::regclass, 'public.m'::regclass) FROM public.mark;
SELECT count(*) = 4 AND bool_and(m.relation = c.oid AND m.declared -> 'name' ->> 'name' = m.name AND jsonb_array_length(m.declared -> 'renamed_from') = 1) FROM datamart.marts m JOIN pg_class c ON c.relname = m.name AND c.relnamespace = 'public'::regnamespace;
