INSERT INTO {registry}.totals AS t
         (project, schema, mart, status, runs, seconds, buckets, run, started_at, finished_at, row_count, size_bytes, newest)
  SELECT e.project, e.schema, e.mart, e.status, count(*), coalesce(sum(e.seconds), 0),
         -- How many took at most so long; the last of them is how many took any time at all.
         ARRAY(SELECT count(s) FILTER (WHERE s <= b.bound)
               FROM unnest({bounds} || 'Infinity'::float8) AS b(bound) LEFT JOIN unnest(array_agg(e.seconds)) AS s ON true
               GROUP BY b.bound ORDER BY b.bound),
         max(e.run), max(e.started_at), max(e.finished_at), max(e.row_count), max(e.size_bytes), max(e.newest)
  FROM {ended} AS e
  GROUP BY e.project, e.schema, e.mart, e.status
  ON CONFLICT (project, schema, mart, status) DO UPDATE
  SET runs = t.runs + excluded.runs, seconds = t.seconds + excluded.seconds,
      buckets = ARRAY(SELECT coalesce(b.was, 0) + b.more
                      FROM unnest(t.buckets, excluded.buckets) WITH ORDINALITY AS b(was, more, place) ORDER BY b.place),
      run = excluded.run, started_at = excluded.started_at, finished_at = excluded.finished_at,
      row_count = excluded.row_count, size_bytes = excluded.size_bytes, newest = excluded.newest
