-- Whether an index holds that no two rows are equal in these columns, NULLs included.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND i.indisvalid
      AND i.indpred IS NULL AND i.indexprs IS NULL
      AND (
          SELECT pg_catalog.bool_and(
              a.attname = ANY ($2)
              AND (a.attnotnull OR coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false))
          )
          FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS at
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[at]
      )
)
