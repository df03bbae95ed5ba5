-- What people in psql and jobs in the database use.
CREATE OR REPLACE VIEW {registry}.status AS
SELECT m.project, m.schema, m.name AS mart, pg_catalog.format('%I.%I', m.schema, m.name) AS full_name,
       m.kind AS type, m.declared #>> '{refresh,strategy}' AS strategy,
       CASE WHEN m.status = 'creating' THEN 'creating'
            WHEN l.status = 'running' THEN 'refreshing'
            WHEN c.oid IS NULL OR NOT c.relispopulated OR m.status = 'error' OR l.status = 'failed' THEN 'error'
            WHEN a.age > f.error_after THEN 'stale'
            ELSE 'active' END AS status,
       CASE WHEN c.oid IS NULL THEN NULL
            WHEN NOT s.stores THEN 'fresh'
            WHEN a.age > f.error_after THEN 'stale'
            WHEN a.age > f.warn_after THEN 'warning'
            WHEN a.age <= f.error_after THEN 'fresh' END AS freshness,
       extract(epoch FROM a.age)::bigint AS age_seconds,
       g.newest,
       u.who IS NOT NULL OR coalesce((m.declared #>> '{refresh,suspend}')::boolean, false) AS suspended,
       CASE WHEN u.who IS NULL AND s.stores AND b.schedules = b.intervals THEN coalesce(l.started_at, m.created_at) + b.every END AS next_run,
       l.run AS last_run, l.status AS last_status, l.method AS last_method, l.cause AS last_cause,
       l.started_at AS last_started_at, l.finished_at AS last_finished_at, l.duration_ms AS last_duration_ms,
       g.finished_at AS last_success_at,
       coalesce(l.error ->> 'message', CASE WHEN l.status = 'failed' THEN l.reason END) AS last_error,
       CASE WHEN NOT s.stores THEN NULL
            WHEN g.finished_at > x.changed_at AND g.row_count IS NOT NULL THEN g.row_count
            WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS rows,
       CASE WHEN NOT s.stores THEN NULL
            WHEN g.finished_at > x.changed_at AND g.size_bytes IS NOT NULL THEN g.size_bytes
            ELSE p.pages * pg_catalog.current_setting('block_size')::bigint END AS bytes,
       v.version, m.revision, m.created_at, x.changed_at
FROM {registry}.marts AS m
CROSS JOIN LATERAL (SELECT m.kind NOT IN ('view', 'temporary') AS stores) AS s
LEFT JOIN {registry}.versions AS v ON v.project = m.project AND v.schema = m.schema AND v.name = m.name AND v.published
-- What an apply built is as new as the apply.
CROSS JOIN LATERAL (SELECT greatest(m.changed_at, v.created_at) AS changed_at, coalesce(v.created_at, m.created_at) AS filled_at) AS x
LEFT JOIN pg_catalog.pg_namespace AS ns ON ns.nspname = m.schema
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = ns.oid AND c.relname = coalesce(v.relation, m.name)
LEFT JOIN LATERAL (
  SELECT c.relpages + coalesce(pg_catalog.sum(r.relpages), 0)::bigint AS pages
  FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS r ON r.oid = i.indexrelid WHERE i.indrelid = c.oid) AS p ON true
LEFT JOIN LATERAL (
  SELECT r.run, r.method, r.cause, r.reason, r.started_at, r.finished_at, r.duration_ms, r.error,
         -- A run whose session is gone was cut off; a standby cannot see the sessions of its primary.
         CASE WHEN r.status = 'running' AND NOT pg_catalog.pg_is_in_recovery()
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS b
                                   WHERE b.pid = r.pid AND (b.backend_start IS NULL OR b.backend_start <= r.started_at))
              THEN 'cancelled' ELSE r.status END AS status
  FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status NOT IN ('queued', 'skipped')
  ORDER BY r.run DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (
  SELECT r.started_at, r.finished_at, r.row_count, r.size_bytes, r.newest FROM {registry}.refreshes AS r
  WHERE r.project = m.project AND r.schema = m.schema AND r.mart = m.name AND r.status IN ('success', 'noop')
  ORDER BY r.run DESC LIMIT 1) AS g ON true
LEFT JOIN LATERAL (
  SELECT o.who FROM {registry}.overrides AS o
  WHERE o.project = m.project AND o.what = 'suspend' AND (o.schema, o.name) IN (('', ''), (m.schema, m.name)) LIMIT 1) AS u ON true
-- The moment of the newest data: a date or a timestamp as ISO 8601 prints it, and nothing else can fail here.
LEFT JOIN LATERAL pg_catalog.regexp_match(g.newest,
  '^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d):(\d\d(?:\.\d+)?)(?:([+-])(\d\d):?(\d\d)?)?)?$') AS n(part) ON true
CROSS JOIN LATERAL (
  SELECT CASE WHEN NOT s.stores OR c.oid IS NULL OR NOT c.relispopulated THEN NULL
              WHEN m.declared #>> '{freshness,column}' IS NOT NULL AND n.part IS NOT NULL THEN pg_catalog.now() - (
                   timestamp '0001-01-01'
                   + pg_catalog.make_interval(years => part[1]::int - 1, months => part[2]::int - 1, days => part[3]::int - 1,
                                   hours => coalesce(part[4], '0')::int, mins => coalesce(part[5], '0')::int, secs => coalesce(part[6], '0')::float8)
                   - coalesce(part[7] || '1', '1')::int
                     * pg_catalog.make_interval(hours => coalesce(part[8], '0')::int, mins => coalesce(part[9], '0')::int)) AT TIME ZONE 'UTC'
              ELSE pg_catalog.now() - greatest(g.started_at, x.filled_at) END AS since) AS y
CROSS JOIN LATERAL (SELECT CASE WHEN y.since IS NOT NULL THEN greatest(y.since, interval '0') END AS age) AS a
-- How often it is refreshed, as far as intervals and the target lag say; what cron means is the daemon's to know.
CROSS JOIN LATERAL (
  SELECT pg_catalog.count(*) AS schedules, pg_catalog.count(e.every) AS intervals, pg_catalog.min(e.every) AS every
  FROM (SELECT CASE WHEN t.entry ~ '^\s*(\d{1,6}\s*[a-z]+\s*)+$' THEN t.entry::interval END AS every
        FROM pg_catalog.jsonb_array_elements_text(coalesce(m.declared #> '{refresh,schedule}', '[]')) AS t(entry)
        UNION ALL
        SELECT pg_catalog.make_interval(secs => (m.declared #>> '{refresh,target_lag}')::float8)
        WHERE m.declared #>> '{refresh,target_lag}' IS NOT NULL) AS e) AS b
CROSS JOIN LATERAL (
  SELECT pg_catalog.make_interval(secs => (m.declared #>> '{freshness,warn_after}')::float8) AS warn,
         pg_catalog.make_interval(secs => (m.declared #>> '{freshness,error_after}')::float8) AS error) AS d
CROSS JOIN LATERAL (
  SELECT coalesce(d.error, greatest(d.warn, CASE WHEN b.schedules = b.intervals THEN coalesce(2 * b.every, interval '1 day') END)) AS error) AS h
CROSS JOIN LATERAL (SELECT h.error AS error_after, coalesce(d.warn, h.error / 2) AS warn_after) AS f
WHERE m.status <> 'dropped';
COMMENT ON VIEW {registry}.status IS 'datamart: how every mart is, from what SQL can know; runs are in refreshes';

-- What was counted before anybody counted.
INSERT INTO {registry}.totals (project, schema, mart, status, runs, seconds, buckets, run, started_at, finished_at, row_count, size_bytes, newest)
SELECT r.project, r.schema, r.mart, r.status, pg_catalog.count(*), coalesce(pg_catalog.sum(r.duration_ms) FILTER (WHERE r.method IS NOT NULL), 0) / 1000,
       ARRAY(SELECT pg_catalog.count(s) FILTER (WHERE s <= b.bound * 1000)
             FROM pg_catalog.unnest('{0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10,30,60,300,1800,Infinity}'::float8[]) AS b(bound)
             LEFT JOIN pg_catalog.unnest(pg_catalog.array_agg(r.duration_ms) FILTER (WHERE r.method IS NOT NULL)) AS s ON true
             GROUP BY b.bound ORDER BY b.bound),
       pg_catalog.max(r.run), pg_catalog.max(r.started_at), pg_catalog.max(r.finished_at),
       (pg_catalog.array_agg(r.row_count ORDER BY r.run DESC))[1], (pg_catalog.array_agg(r.size_bytes ORDER BY r.run DESC))[1],
       (pg_catalog.array_agg(r.newest ORDER BY r.run DESC))[1]
FROM {registry}.refreshes AS r
WHERE r.status NOT IN ('queued', 'running')
GROUP BY r.project, r.schema, r.mart, r.status
ON CONFLICT DO NOTHING;

-- The key of an advisory lock, as the program computes it: a mart's lock is mart: and its quoted name.
CREATE OR REPLACE FUNCTION {registry}.lock_key(project text, lock text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
  SELECT ('x' || encode(substr(sha256(convert_to(concat('datamart:', n.nspname, ':', $1, ':', $2), 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
  FROM {registry}.meta AS m JOIN pg_class AS c ON c.oid = m.tableoid JOIN pg_namespace AS n ON n.oid = c.relnamespace
$datamart$;
COMMENT ON FUNCTION {registry}.lock_key IS 'datamart: the key of an advisory lock';

CREATE OR REPLACE FUNCTION {registry}.is_led(project text) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
  SELECT EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND (l.classid::bigint << 32) | l.objid::bigint = {registry}.lock_key($1, 'leader'))
$datamart$;
COMMENT ON FUNCTION {registry}.is_led IS 'datamart: whether a daemon leads';

-- Every mart that one reads, through others too.
CREATE OR REPLACE FUNCTION {registry}.upstream(project text, schema text, mart text)
RETURNS TABLE (up_schema text, up_mart text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
  WITH RECURSIVE up AS (
    SELECT $2 AS schema, $3 AS mart
    UNION
    SELECT e.value #>> '{name,schema}', e.value #>> '{name,name}'
    FROM up
    JOIN {registry}.marts AS m ON m.project = $1 AND m.schema = up.schema AND m.name = up.mart AND m.status <> 'dropped'
    CROSS JOIN LATERAL (
      SELECT v.applied FROM {registry}.versions AS v
      WHERE v.project = m.project AND v.schema = m.schema AND v.name = m.name AND v.published
      UNION ALL SELECT m.applied) AS a
    CROSS JOIN LATERAL jsonb_each(coalesce(nullif(a.applied -> 'reads', 'null'), '{}')) AS e)
  SELECT up.schema, up.mart FROM up
  WHERE (up.schema, up.mart) <> ($2, $3)
    AND EXISTS (SELECT FROM {registry}.marts AS m WHERE m.project = $1 AND m.schema = up.schema AND m.name = up.mart AND m.status <> 'dropped')
$datamart$;
COMMENT ON FUNCTION {registry}.upstream IS 'datamart: the marts that a mart reads';

-- Writes waiting runs, upstream first, and wakes the daemon. A run that waits already, asked for alike, is not written twice.
CREATE OR REPLACE FUNCTION {registry}.request(
  name text, project text, how text, days integer, concurrent boolean) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
#variable_conflict use_column
DECLARE
  asked jsonb := nullif(jsonb_strip_nulls(jsonb_build_object('how', $3, 'days', $4, 'concurrent', $5)), '{}');
  marts text[];
  runs bigint[] := '{}';
  added bigint[] := '{}';
  mart record;
  number bigint;
BEGIN
  IF $3 IS NOT NULL AND $3 NOT IN ('full', 'incremental', 'smart') THEN
    RAISE EXCEPTION 'how is %, not full, incremental or smart', quote_literal($3) USING ERRCODE = '22023';
  END IF;
  IF $4 < 1 OR ($4 IS NOT NULL AND $3 IS DISTINCT FROM 'incremental') THEN
    RAISE EXCEPTION 'days goes with how => ''incremental'' and counts from 1' USING ERRCODE = '22023';
  END IF;
  IF $1 IS NOT NULL THEN
    SELECT array_agg(format('%I.%I (project %s)', m.schema, m.name, m.project) ORDER BY m.project, m.schema) INTO marts
    FROM {registry}.marts AS m
    WHERE m.status <> 'dropped' AND ($2 IS NULL OR m.project = $2)
      AND $1 IN (m.name, quote_ident(m.name), m.schema || '.' || m.name, format('%I.%I', m.schema, m.name));
    IF marts IS NULL THEN
      RAISE EXCEPTION 'no mart is named %', $1 USING ERRCODE = '42704', HINT = 'See the view status of this schema.';
    ELSIF cardinality(marts) > 1 THEN
      RAISE EXCEPTION '% may be %', $1, array_to_string(marts, ' or ')
        USING ERRCODE = '42725', HINT = 'Write schema.name, or say project => ''…''.';
    END IF;
  ELSIF $2 IS NOT NULL AND NOT EXISTS (SELECT FROM {registry}.marts AS m WHERE m.project = $2) THEN
    RAISE EXCEPTION 'no project is named %', $2 USING ERRCODE = '42704';
  END IF;
  FOR mart IN
    SELECT m.project, m.schema, m.name, m.kind
    FROM {registry}.marts AS m
    WHERE m.status <> 'dropped' AND ($2 IS NULL OR m.project = $2)
      AND ($1 IS NULL OR $1 IN (m.name, quote_ident(m.name), m.schema || '.' || m.name, format('%I.%I', m.schema, m.name)))
    ORDER BY (SELECT count(*) FROM {registry}.upstream(m.project, m.schema, m.name)), m.project, m.schema, m.name
  LOOP
    IF mart.kind IN ('view', 'temporary') THEN
      CONTINUE WHEN $1 IS NULL;
      RAISE EXCEPTION '% has no rows of its own: it is a %', format('%I.%I', mart.schema, mart.name), mart.kind USING ERRCODE = '42809';
    END IF;
    SELECT min(r.run) INTO number FROM {registry}.refreshes AS r
    WHERE r.project = mart.project AND r.schema = mart.schema AND r.mart = mart.name
      AND r.status = 'queued' AND r.cause = 'request' AND r.options IS NOT DISTINCT FROM asked;
    IF number IS NULL THEN
      INSERT INTO {registry}.refreshes (project, schema, mart, status, reason, started_at, cause, options, requested_by, host)
      VALUES (mart.project, mart.schema, mart.name, 'queued', 'it waits to be run', now(), 'request', asked, session_user,
              host(inet_client_addr()))
      RETURNING run INTO number;
      added := added || number;
      PERFORM pg_notify('datamart_wake', json_build_object('project', mart.project, 'what', 'runs')::text);
    END IF;
    runs := runs || number;
  END LOOP;
  UPDATE {registry}.refreshes SET request = added[1] WHERE run = ANY (added);
  INSERT INTO {registry}.audit (project, who, host, action, address, detail)
  SELECT r.project, session_user, host(inet_client_addr()), 'refresh',
         CASE WHEN $1 IS NOT NULL THEN min(format('%I.%I', r.schema, r.mart)) END, jsonb_build_object('runs', jsonb_agg(r.run), 'options', asked)
  FROM {registry}.refreshes AS r WHERE r.run = ANY (runs) GROUP BY r.project;
  RETURN runs;
END
$datamart$;
COMMENT ON FUNCTION {registry}.request IS 'datamart: asks for refreshes; refresh and refresh_all call it';

-- What became of runs: those of the session's last call, or of a request.
CREATE OR REPLACE FUNCTION {registry}.results(request bigint DEFAULT NULL)
RETURNS TABLE (run bigint, mart text, status text, method text, rows bigint, duration_ms double precision, error text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
  SELECT r.run, format('%I.%I', r.schema, r.mart), r.status, r.method, r.row_count, r.duration_ms,
         coalesce(r.error ->> 'message', CASE WHEN r.status NOT IN ('success', 'noop', 'queued', 'running') THEN r.reason END)
  FROM {registry}.refreshes AS r
  WHERE CASE WHEN $1 IS NULL THEN r.run = ANY (nullif(current_setting('datamart.runs', true), '')::bigint[]) ELSE $1 IN (r.request, r.run) END
  ORDER BY r.run
$datamart$;
COMMENT ON FUNCTION {registry}.results IS 'datamart: what became of the runs of the last call, or of a request';

-- Counts a run that ended, and tells who listens.
CREATE OR REPLACE FUNCTION {registry}.settle(run bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
  INSERT INTO {registry}.totals AS t
         (project, schema, mart, status, runs, seconds, buckets, run, started_at, finished_at, row_count, size_bytes, newest)
  SELECT r.project, r.schema, r.mart, r.status, 1, coalesce(s.seconds, 0), ARRAY(
           SELECT (s.seconds IS NOT NULL AND s.seconds <= b.bound)::int::bigint
           FROM unnest('{0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10,30,60,300,1800,Infinity}'::float8[]) AS b(bound)),
         r.run, r.started_at, r.finished_at, r.row_count, r.size_bytes, r.newest
  FROM {registry}.refreshes AS r
  CROSS JOIN LATERAL (SELECT CASE WHEN r.method IS NOT NULL THEN r.duration_ms / 1000 END AS seconds) AS s
  WHERE r.run = $1
  ON CONFLICT (project, schema, mart, status) DO UPDATE
  SET runs = t.runs + excluded.runs, seconds = t.seconds + excluded.seconds,
      buckets = ARRAY(SELECT coalesce(b.was, 0) + b.more
                      FROM unnest(t.buckets, excluded.buckets) WITH ORDINALITY AS b(was, more, place) ORDER BY b.place),
      run = excluded.run, started_at = excluded.started_at, finished_at = excluded.finished_at,
      row_count = excluded.row_count, size_bytes = excluded.size_bytes, newest = excluded.newest;
  SELECT pg_notify(CASE WHEN r.status IN ('success', 'noop') THEN 'datamart_refreshed' ELSE 'datamart_not_refreshed' END,
                   format('%I.%I', r.schema, r.mart))
  FROM {registry}.refreshes AS r WHERE r.run = $1;
$datamart$;
COMMENT ON FUNCTION {registry}.settle IS 'datamart: counts a run that ended';

-- Where no daemon leads: makes a waiting run this session's, with the mart's lock, or says in its row why not.
CREATE OR REPLACE FUNCTION {registry}.begin_here(run bigint, among bigint[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
DECLARE
  mine record;
  outcome text := 'skipped';
  why text;
  message text;
  way text;
  lock bigint;
BEGIN
  SELECT r.project, r.schema, r.mart, r.options, m.kind, m.declared, m.revision, c.relkind, c.relispopulated, full_name,
         coalesce((r.options ->> 'concurrent')::boolean, (m.declared #>> '{refresh,concurrent}')::boolean, true) AS concurrent,
         (SELECT format('%I.%I', b.schema, b.mart) FROM {registry}.refreshes AS b
          JOIN {registry}.upstream(r.project, r.schema, r.mart) AS u ON u.up_schema = b.schema AND u.up_mart = b.mart
          WHERE b.run = ANY ($2) AND b.project = r.project AND (b.status IN ('failed', 'cancelled') OR (b.status = 'skipped' AND b.error IS NULL))
          LIMIT 1) AS blocked,
         EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                 AND i.indpred IS NULL AND i.indexprs IS NULL) AS has_key
  INTO mine
  FROM {registry}.refreshes AS r
  CROSS JOIN LATERAL format('%I.%I', r.schema, r.mart) AS full_name
  LEFT JOIN {registry}.marts AS m ON m.project = r.project AND m.schema = r.schema AND m.name = r.mart AND m.status <> 'dropped'
  LEFT JOIN {registry}.versions AS v ON v.project = m.project AND v.schema = m.schema AND v.name = m.name AND v.published
  LEFT JOIN pg_namespace AS n ON n.nspname = m.schema
  LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = coalesce(v.relation, m.name)
  WHERE r.run = $1 AND r.status = 'queued'
  FOR UPDATE OF r;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  lock := {registry}.lock_key(mine.project, 'mart:' || mine.full_name);
  way := format('start `datamart daemon`, or run `datamart refresh %s`', mine.full_name);
  IF mine.kind IS NULL OR (mine.kind = 'materialized_view' AND mine.relkind IS DISTINCT FROM 'm') THEN
    outcome := 'failed';
    message := format('%s is not in the database', mine.full_name);
  ELSIF mine.blocked IS NOT NULL THEN
    why := mine.blocked || ', which it reads, was not refreshed';
  ELSIF mine.kind <> 'materialized_view' THEN
    message := format('no daemon is at work, and a %s is for it to refresh', replace(mine.kind, '_', ' '));
  ELSIF jsonb_array_length(coalesce(nullif(mine.declared -> 'checks', 'null'), '[]')) > 0 THEN
    message := 'no daemon is at work, and its checks are for it to run';
  ELSIF mine.declared #>> '{versions,on}' = 'refresh' THEN
    message := 'no daemon is at work, and another version is for it to make';
  ELSIF NOT pg_try_advisory_lock(lock) THEN
    outcome := 'failed';
    SELECT format('another run holds the lock of %s (%s, on %s, pid %s)', mine.full_name, k.application, k.host, k.pid) INTO message
    FROM {registry}.locks AS k WHERE k.key = lock;
    message := coalesce(message, format('another session holds the lock of %s', mine.full_name));
    way := 'wait for it, or see `datamart unlock`';
  ELSE
    INSERT INTO {registry}.locks AS k (key, project, name, pid, host, application, since)
    VALUES (lock, mine.project, 'mart:' || mine.full_name, pg_backend_pid(), host(inet_client_addr()), 'CALL refresh', clock_timestamp())
    ON CONFLICT ON CONSTRAINT locks_pkey DO UPDATE
    SET project = excluded.project, name = excluded.name, pid = excluded.pid, host = excluded.host,
        application = excluded.application, since = excluded.since;
    -- Runs of this mart that never told their end are over: whoever holds its lock now is the only one.
    UPDATE {registry}.refreshes AS r SET status = 'cancelled', finished_at = clock_timestamp(),
           error = '{"kind": "connection", "message": "the process that ran it ended"}'
    WHERE r.project = mine.project AND r.schema = mine.schema AND r.mart = mine.mart AND r.status = 'running';
    UPDATE {registry}.refreshes AS r
    SET status = 'running', started_at = clock_timestamp(), revision = mine.revision, pid = pg_backend_pid(), host = host(inet_client_addr()),
        method = CASE WHEN mine.concurrent AND mine.has_key AND mine.relispopulated THEN 'concurrently' ELSE 'plain' END,
        reason = CASE WHEN NOT mine.relispopulated THEN 'it holds no rows yet' WHEN NOT mine.concurrent THEN 'concurrent = false'
                      WHEN NOT mine.has_key THEN 'no unique index on plain columns' ELSE 'unique index, readers go on' END
                 || '; by the session that asked: no daemon is at work'
    WHERE r.run = $1;
    RETURN true;
  END IF;
  UPDATE {registry}.refreshes AS r
  SET status = outcome, started_at = clock_timestamp(), finished_at = clock_timestamp(), duration_ms = 0,
      reason = coalesce(why, 'it could not begin'), pid = pg_backend_pid(),
      error = CASE WHEN message IS NOT NULL THEN jsonb_build_object(
                'kind', CASE WHEN outcome = 'failed' THEN 'lock' ELSE 'config' END, 'sqlstate', NULL, 'message', message, 'hint', way) END
  WHERE r.run = $1;
  PERFORM {registry}.settle($1);
  RETURN false;
END
$datamart$;
COMMENT ON FUNCTION {registry}.begin_here IS 'datamart: begins a run in the session that asked for it, where no daemon leads';

-- Refreshes what begin_here began. The query runs as the materialized view's owner, whoever calls this.
CREATE OR REPLACE FUNCTION {registry}.finish_here(run bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
DECLARE
  mine record;
  setting record;
  began timestamptz := clock_timestamp();
  seen text := pg_current_snapshot()::text;
  ended text := 'success';
  counted bigint;
  latest text;
  failure jsonb;
  code text;
  message text;
  advice text;
BEGIN
  SELECT r.project, r.schema, r.mart, r.method, coalesce(v.declared, m.declared) AS declared, m.declared #>> '{freshness,column}' AS newest,
         format('%I.%I', m.schema, coalesce(v.relation, m.name)) AS relation
  INTO STRICT mine
  FROM {registry}.refreshes AS r
  JOIN {registry}.marts AS m ON m.project = r.project AND m.schema = r.schema AND m.name = r.mart
  LEFT JOIN {registry}.versions AS v ON v.project = m.project AND v.schema = m.schema AND v.name = m.name AND v.published
  WHERE r.run = $1 AND r.status = 'running' AND r.pid = pg_backend_pid();
  BEGIN
    PERFORM set_config('TimeZone', mine.declared ->> 'timezone', true);
    FOR setting IN SELECT s.key, s.value FROM jsonb_each_text(coalesce(nullif(mine.declared -> 'session', 'null'), '{}')) AS s
                   WHERE lower(s.key) <> 'search_path' LOOP
      PERFORM set_config(setting.key, setting.value, true);
    END LOOP;
    PERFORM set_config('search_path', (SELECT string_agg(quote_ident(p.schema), ', ' ORDER BY p.place)
      FROM jsonb_array_elements_text(mine.declared -> 'search_path') WITH ORDINALITY AS p(schema, place)), true);
    EXECUTE 'REFRESH MATERIALIZED VIEW ' || CASE mine.method WHEN 'concurrently' THEN 'CONCURRENTLY ' ELSE '' END || mine.relation;
    EXECUTE 'ANALYZE ' || mine.relation;
    PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
    EXECUTE 'SELECT count(*), ' || CASE WHEN mine.newest IS NULL THEN 'NULL' ELSE format('to_jsonb(max(%I)) #>> ''{}''', mine.newest) END
            || ' FROM ' || mine.relation INTO counted, latest;
  EXCEPTION WHEN query_canceled OR OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, advice = PG_EXCEPTION_HINT;
    ended := CASE WHEN code = '57014' AND message NOT LIKE '%timeout%' THEN 'cancelled' ELSE 'failed' END;
    failure := jsonb_build_object('sqlstate', code, 'message', message, 'hint', nullif(advice, ''), 'kind',
      CASE WHEN ended = 'cancelled' THEN 'cancelled' WHEN code = '57014' THEN 'timeout' WHEN code = '42501' THEN 'privilege'
           WHEN code IN ('55P03', '55006') THEN 'lock' WHEN code IN ('42P01', '42703', '42883', '42704', '3F000') THEN 'missing'
           WHEN code LIKE '40%' THEN 'serialization' WHEN code LIKE ANY ('{21%,22%,23%,44%,P0%}') THEN 'data'
           WHEN code LIKE ANY ('{53%,54%}') THEN 'resource' WHEN code LIKE '42%' THEN 'syntax' ELSE 'internal' END);
  END;
  UPDATE {registry}.refreshes AS r
  SET status = ended, finished_at = clock_timestamp(), duration_ms = round(extract(epoch FROM clock_timestamp() - began) * 1000, 3),
      row_count = counted, size_bytes = CASE WHEN ended = 'success' THEN pg_total_relation_size(mine.relation::regclass) END,
      newest = latest, snapshot = CASE WHEN ended = 'success' THEN seen END, error = failure
  WHERE r.run = $1;
  PERFORM {registry}.settle($1);
END
$datamart$;
COMMENT ON FUNCTION {registry}.finish_here IS 'datamart: refreshes a materialized view in the session that asked for it';

CREATE OR REPLACE FUNCTION {registry}.leave_here(run bigint) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
  DELETE FROM {registry}.locks AS k USING {registry}.refreshes AS r
  WHERE r.run = $1 AND k.pid = pg_backend_pid() AND k.key = {registry}.lock_key(r.project, format('mart:%I.%I', r.schema, r.mart));
  SELECT pg_advisory_unlock({registry}.lock_key(r.project, format('mart:%I.%I', r.schema, r.mart))) FROM {registry}.refreshes AS r WHERE r.run = $1;
$datamart$;
COMMENT ON FUNCTION {registry}.leave_here IS 'datamart: gives back the lock that begin_here took';

-- The next of these runs that is not over; those that wait come first.
CREATE OR REPLACE FUNCTION {registry}.unfinished(runs bigint[]) RETURNS TABLE (run bigint, project text, status text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
  SELECT r.run, r.project, r.status FROM {registry}.refreshes AS r
  WHERE r.run = ANY ($1) AND r.status IN ('queued', 'running')
  ORDER BY r.status, array_position($1, r.run) LIMIT 1
$datamart$;
COMMENT ON FUNCTION {registry}.unfinished IS 'datamart: the next of these runs that is not over';

-- Sees runs through: a daemon does them; where none leads, this session does what it can.
CREATE OR REPLACE PROCEDURE {registry}.see_through(runs bigint[], wait boolean, timeout interval)
LANGUAGE plpgsql AS $datamart$
DECLARE
  deadline timestamptz := pg_catalog.clock_timestamp() + timeout;
  led_at timestamptz := '-infinity';
  pause double precision := 0.02;
  next record;
BEGIN
  PERFORM pg_catalog.set_config('datamart.runs', runs::text, false);
  LOOP
    COMMIT;
    SELECT u.run, u.project, u.status INTO next FROM {registry}.unfinished(runs) AS u;
    EXIT WHEN NOT FOUND;
    IF {registry}.is_led(next.project) THEN
      EXIT WHEN NOT wait;
      led_at := pg_catalog.clock_timestamp();
    ELSIF next.status = 'queued' AND pg_catalog.clock_timestamp() > led_at + interval '10 seconds' THEN
      -- Nobody took over from the daemon that was there, or there was none.
      IF {registry}.begin_here(next.run, runs) THEN
        COMMIT;
        PERFORM {registry}.finish_here(next.run);
        COMMIT;
        PERFORM {registry}.leave_here(next.run);
      END IF;
      CONTINUE;
    END IF;
    EXIT WHEN NOT wait OR pg_catalog.clock_timestamp() >= deadline;
    PERFORM pg_catalog.pg_sleep(pause);
    pause := least(pause * 1.5, 0.5);
  END LOOP;
END
$datamart$;
COMMENT ON PROCEDURE {registry}.see_through IS 'datamart: waits for runs; refresh and refresh_all call it';

CREATE OR REPLACE PROCEDURE {registry}.refresh(
  name text, wait boolean DEFAULT true, how text DEFAULT NULL, days integer DEFAULT NULL, concurrent boolean DEFAULT NULL,
  project text DEFAULT NULL, timeout interval DEFAULT '1 hour',
  INOUT run bigint DEFAULT NULL, INOUT mart text DEFAULT NULL, INOUT status text DEFAULT NULL, INOUT method text DEFAULT NULL,
  INOUT rows bigint DEFAULT NULL, INOUT duration_ms double precision DEFAULT NULL, INOUT error text DEFAULT NULL)
LANGUAGE plpgsql AS $datamart$
DECLARE
  runs bigint[];
BEGIN
  IF name IS NULL THEN
    RAISE EXCEPTION 'which mart is to be refreshed is not said' USING ERRCODE = '22004';
  END IF;
  runs := {registry}.request(name, project, how, days, concurrent);
  CALL {registry}.see_through(runs, coalesce(wait, true), coalesce(timeout, interval '1 hour'));
  SELECT r.run, r.mart, r.status, r.method, r.rows, r.duration_ms, r.error
  INTO run, mart, status, method, rows, duration_ms, error
  FROM {registry}.results() AS r;
  IF status IN ('queued', 'running') AND wait THEN
    error := pg_catalog.format('still %s after %s; it goes on', status, timeout);
  END IF;
END
$datamart$;
COMMENT ON PROCEDURE {registry}.refresh IS 'datamart: refreshes a mart, by the daemon where one is at work; CALL refresh(''sales''), outside a transaction';

CREATE OR REPLACE PROCEDURE {registry}.refresh_all(
  project text DEFAULT NULL, wait boolean DEFAULT true, how text DEFAULT NULL, days integer DEFAULT NULL, concurrent boolean DEFAULT NULL,
  timeout interval DEFAULT '1 hour',
  INOUT request bigint DEFAULT NULL, INOUT refreshed integer DEFAULT NULL, INOUT failed integer DEFAULT NULL, INOUT skipped integer DEFAULT NULL,
  INOUT unfinished integer DEFAULT NULL, INOUT rows bigint DEFAULT NULL, INOUT duration_ms double precision DEFAULT NULL,
  INOUT results jsonb DEFAULT NULL)
LANGUAGE plpgsql AS $datamart$
DECLARE
  runs bigint[];
  began timestamptz := pg_catalog.clock_timestamp();
BEGIN
  runs := {registry}.request(NULL, project, how, days, concurrent);
  CALL {registry}.see_through(runs, coalesce(wait, true), coalesce(timeout, interval '1 hour'));
  SELECT pg_catalog.min(r.run), pg_catalog.count(*) FILTER (WHERE r.status IN ('success', 'noop')),
         pg_catalog.count(*) FILTER (WHERE r.status IN ('failed', 'cancelled')), pg_catalog.count(*) FILTER (WHERE r.status = 'skipped'),
         pg_catalog.count(*) FILTER (WHERE r.status IN ('queued', 'running')), coalesce(pg_catalog.sum(r.rows) FILTER (WHERE r.status = 'success'), 0),
         coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r) ORDER BY r.run), '[]')
  INTO request, refreshed, failed, skipped, unfinished, rows, results
  FROM {registry}.results() AS r;
  duration_ms := pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - began) * 1000, 3);
END
$datamart$;
COMMENT ON PROCEDURE {registry}.refresh_all IS
  'datamart: refreshes every mart, upstream first; results has one object per mart, and the function results() one row per mart';

-- Nobody but the owner, until somebody is granted USAGE on this schema and EXECUTE ON ALL ROUTINES in it.
REVOKE EXECUTE ON ROUTINE {registry}.lock_key, {registry}.is_led, {registry}.upstream, {registry}.request, {registry}.results, {registry}.settle,
  {registry}.begin_here, {registry}.finish_here, {registry}.leave_here, {registry}.unfinished, {registry}.see_through, {registry}.refresh,
  {registry}.refresh_all FROM PUBLIC;
