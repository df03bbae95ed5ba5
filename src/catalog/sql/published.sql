COALESCE((SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')'
            FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[])), '')
         || CASE WHEN r.prqual IS NULL THEN '' ELSE ' WHERE (' || pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')' END
