CREATE FUNCTION public.facts(name text) RETURNS jsonb LANGUAGE sql SET search_path = pg_catalog, public AS $$
  SELECT jsonb_build_object(
    'definition', regexp_replace(pg_get_viewdef(c.oid), '\m(\w+) \1\M', '\1', 'g'),
    'kind', c.relkind, 'owner', c.relowner::regrole, 'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(c.reloptions) AS o), 'comment', obj_description(c.oid), 'populated', c.relispopulated,
    'grants', (SELECT jsonb_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) AS a WHERE split_part(a::text, '=', 1) <> c.relowner::regrole::text),
    'columns', (SELECT jsonb_agg(jsonb_build_array(attname, format_type(atttypid, atttypmod), col_description(c.oid, attnum), attacl::text, attstattarget) ORDER BY attnum)
                  FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
    'indexes', (SELECT jsonb_agg(jsonb_build_array(pg_get_indexdef(indexrelid), obj_description(indexrelid), indisclustered) ORDER BY indexrelid::regclass::text)
                  FROM pg_index WHERE indrelid = c.oid))
  FROM pg_class c WHERE c.oid = to_regclass(name) $$;
CREATE TABLE public.kept (name text, oid oid, facts jsonb);
CREATE FUNCTION public.keep(name text) RETURNS void LANGUAGE sql SET search_path = pg_catalog, public AS
  'INSERT INTO public.kept VALUES (name, to_regclass(name), public.facts(name))';
CREATE FUNCTION public.is_kept(wanted text) RETURNS boolean LANGUAGE sql SET search_path = pg_catalog, public AS
  'SELECT public.facts(wanted) = k.facts FROM public.kept k WHERE k.name = wanted';
CREATE FUNCTION public.has_its_oid(wanted text) RETURNS boolean LANGUAGE sql SET search_path = pg_catalog, public AS
  'SELECT to_regclass(wanted) = k.oid FROM public.kept k WHERE k.name = wanted';
