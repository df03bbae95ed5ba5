-- The text of a query as PostgreSQL prints it after it read its own text twice, or as it printed it where it cannot
-- read it; names are qualified.
CREATE FUNCTION pg_temp.settled(text text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  FOR round IN 1..2 LOOP
    EXECUTE 'CREATE TEMPORARY VIEW dm_settled AS ' || text;
    text := pg_get_viewdef('pg_temp.dm_settled'::regclass);
    DROP VIEW pg_temp.dm_settled;
  END LOOP;
  RETURN settled.text;
EXCEPTION WHEN syntax_error THEN
  RETURN settled.text;
END $$;
-- The same of an index, without its storage parameters.
CREATE FUNCTION pg_temp.settled(index pg_index) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  place text := format(' ON %s USING ', index.indrelid::regclass);
  text text := regexp_replace(pg_get_indexdef(index.indexrelid), ' WITH \([^()]*\)( WHERE |$)', '\1');
BEGIN
  IF index.indexprs IS NULL AND index.indpred IS NULL THEN
    RETURN text;
  END IF;
  EXECUTE format('CREATE TEMPORARY TABLE dm_rows AS TABLE %s WITH NO DATA', index.indrelid::regclass);
  FOR round IN 1..2 LOOP
    EXECUTE replace(text, place, ' ON pg_temp.dm_rows USING ');
    SELECT regexp_replace(pg_get_indexdef(i.indexrelid), ' ON pg_temp\w*\.dm_rows USING ', replace(place, '\', '\\')), i.indexrelid INTO text, index.indexrelid
    FROM pg_index i WHERE i.indrelid = 'pg_temp.dm_rows'::regclass;
    EXECUTE format('DROP INDEX %s', index.indexrelid::regclass);
  END LOOP;
  DROP TABLE pg_temp.dm_rows;
  RETURN text;
END $$;
SET search_path = pg_catalog, pg_temp;
SET quote_all_identifiers = off;
