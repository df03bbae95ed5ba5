SELECT (a, b, reader, stored, theirs, i, k, file) = ('public.b'::regclass, 'public.a'::regclass, 'public.reader'::regclass, 'public.stored'::regclass, 'public.theirs'::regclass, 'public.b_total_idx'::regclass, 'public.a_pkey'::regclass, pg_relation_filenode('public.stored')) FROM public.mark;
SELECT has_table_privilege('{db}_one', 'public.b', 'SELECT') AND NOT has_table_privilege('{db}_one', 'public.a', 'SELECT') AND has_table_privilege('{db}_two', 'public.a', 'SELECT');
SELECT (SELECT count(*) FROM public.theirs) > 0;
