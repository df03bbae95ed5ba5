SELECT (a, b, c, east, west, i) = ('public.b'::regclass, 'public.c'::regclass, 'public.a'::regclass, 'west.x'::regclass, 'east.x'::regclass, 'west.x_day_idx'::regclass) FROM public.mark;
SELECT string_agg(mart || ' ' || status, ', ' ORDER BY run) = 'b success, c failed, a noop' FROM datamart.refreshes;
SELECT string_agg(indexrelid::regclass || ' on ' || indrelid::regclass, ', ' ORDER BY indexrelid::regclass::text) = 'a_region_idx on a, b_day_idx on b, c_category_idx on c' FROM pg_index WHERE indrelid IN ('public.a'::regclass, 'public.b'::regclass, 'public.c'::regclass);
