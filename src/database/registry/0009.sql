-- When marts are due next, as the daemon of this epoch says. No row: no daemon knows of a time.
CREATE TABLE {registry}.due (
    project text NOT NULL,
    schema  text NOT NULL,
    name    text NOT NULL,
    epoch   bigint NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (project, schema, name)
) WITH (fillfactor = 50);
COMMENT ON TABLE {registry}.due IS 'datamart: when marts are due next, as the daemon of this epoch says';

-- What a leader said that is gone holds no more. Its lock is looked for here, and not by a function: who may read a view of ours
-- may not call our functions for that. A standby does not see the locks of its primary.
CREATE VIEW {registry}.due_now AS
WITH held AS MATERIALIZED (
  SELECT l.project, l.epoch
  FROM {registry}.leaders AS l
  JOIN pg_catalog.pg_class AS c ON c.oid = l.tableoid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_locks AS k ON k.locktype = 'advisory' AND k.granted AND k.objsubid = 1 AND k.pid = l.backend
   AND k.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
   AND (k.classid::bigint << 32) | k.objid::bigint = ('x' || pg_catalog.encode(pg_catalog.substr(pg_catalog.sha256(
         pg_catalog.convert_to(pg_catalog.concat('datamart:', n.nspname, ':', l.project, ':leader'), 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint)
SELECT d.project, d.schema, d.name AS mart, d.at
FROM {registry}.due AS d
JOIN held AS l ON l.project = d.project AND l.epoch = d.epoch;
COMMENT ON VIEW {registry}.due_now IS 'datamart: when marts are due next, as the daemon that leads says';

-- The next run is what the daemon that leads says, and no age is that of an adoption.
CREATE OR REPLACE VIEW {registry}.status AS
SELECT m.project, m.schema, m.name AS mart, pg_catalog.format('%I.%I', m.schema, m.name) AS full_name,
       m.kind AS type, m.declared #>> '{refresh,strategy}' AS strategy,
       CASE WHEN m.status = 'creating' THEN 'creating'
            WHEN l.status = 'running' THEN 'refreshing'
            WHEN c.oid IS NULL OR NOT c.relispopulated OR m.status = 'error' OR l.status = 'failed' THEN 'error'
            WHEN coalesce(a.age, a.at_least) > f.error_after THEN 'stale'
            ELSE 'active' END AS status,
       CASE WHEN c.oid IS NULL THEN NULL
            WHEN NOT s.stores THEN 'fresh'
            WHEN coalesce(a.age, a.at_least) > f.error_after THEN 'stale'
            WHEN a.age > f.warn_after THEN 'warning'
            WHEN a.age <= coalesce(f.error_after, f.warn_after) THEN 'fresh' END AS freshness,
       extract(epoch FROM a.age)::bigint AS age_seconds,
       g.newest,
       u.who IS NOT NULL OR coalesce((m.declared #>> '{refresh,suspend}')::boolean, false) AS suspended,
       CASE WHEN u.who IS NOT NULL OR coalesce((m.declared #>> '{refresh,suspend}')::boolean, false) OR NOT s.stores THEN NULL
            -- Who leads knows when it is due; without a leader nobody begins it.
            WHEN EXISTS (SELECT FROM {registry}.due AS d WHERE d.project = m.project) THEN
                 (SELECT d.at FROM {registry}.due_now AS d WHERE d.project = m.project AND d.schema = m.schema AND d.mart = m.name)
            -- A project that no daemon ever kept: when its intervals say, as far as they say.
            WHEN b.schedules = b.intervals AND b.every IS NOT NULL
                 THEN greatest(coalesce(l.started_at, m.created_at) + b.every, pg_catalog.now()) END AS next_run,
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
-- Who has versions stores its rows in the published one; its own name is a view.
LEFT JOIN LATERAL pg_catalog.parse_ident(v.relation) AS q(words) ON true
LEFT JOIN pg_catalog.pg_namespace AS ns ON ns.nspname = coalesce(q.words[1], m.schema)
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = ns.oid AND c.relname = coalesce(q.words[2], m.name)
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
-- What holds instead of the manifest's schedule and target lag.
LEFT JOIN LATERAL (
  SELECT o.value -> 'schedule' AS entries FROM {registry}.overrides AS o
  WHERE o.project = m.project AND o.what = 'schedule' AND (o.schema, o.name) = (m.schema, m.name)) AS w ON true
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
                     * pg_catalog.make_interval(hours => coalesce(part[8], '0')::int, mins => coalesce(part[9], '0')::int))
                   -- What has no offset is a time of the mart's zone.
                   AT TIME ZONE CASE WHEN part[7] IS NULL THEN coalesce(m.declared ->> 'timezone', 'UTC') ELSE 'UTC' END
              -- Whoever commits brings it up to date.
              WHEN m.declared #>> '{refresh,strategy}' = 'on_commit' THEN interval '0'
              -- How old what was taken over was then nobody knows.
              WHEN v.created_at IS NULL AND (g.started_at > m.created_at) IS NOT TRUE AND m.applied ? 'adopted' THEN pg_catalog.now() - g.started_at
              ELSE pg_catalog.now() - greatest(g.started_at, x.filled_at) END AS since) AS y
CROSS JOIN LATERAL (
  SELECT CASE WHEN y.since IS NOT NULL THEN greatest(y.since, interval '0') END AS age,
         CASE WHEN s.stores AND c.relispopulated THEN greatest(pg_catalog.now() - x.filled_at, interval '0') END AS at_least) AS a
-- How often it is refreshed, as far as intervals and the target lag say, and how long lies between two runs, as far as these and the
-- cron expressions say that have one answer all the time; what others mean is the daemon's to know.
CROSS JOIN LATERAL (
  SELECT pg_catalog.count(*) AS schedules, pg_catalog.count(e.every) AS intervals, pg_catalog.min(e.every) AS every,
         pg_catalog.count(coalesce(e.every, e.apart)) AS known, pg_catalog.min(coalesce(e.every, e.apart)) AS apart
  FROM (SELECT CASE WHEN t.entry ~ '^\s*(\d{1,6}\s*[a-z]+\s*)+$' THEN t.entry::interval END AS every,
               CASE WHEN o.cron ~ '^\*(/1)? \* \* \* \*$' THEN interval '1 minute'
                    WHEN o.cron ~ '^\*/\d{1,2} \* \* \* \*$' AND 60 % o.step = 0 THEN pg_catalog.make_interval(mins => o.step)
                    WHEN o.cron ~ '^(\d+ \*(/1)? \* \* \*|@hourly)$' THEN interval '1 hour'
                    WHEN o.cron ~ '^\d+ \*/\d{1,2} \* \* \*$' AND 24 % o.step = 0 THEN pg_catalog.make_interval(hours => o.step)
                    WHEN o.cron ~ '^(\d+ \d+ \* \* \*|@daily|@midnight)$' THEN interval '1 day'
                    WHEN o.cron ~ '^(\d+ \d+ \* \* (\d|[a-z]{3})|@weekly)$' THEN interval '7 days' END AS apart
        FROM pg_catalog.jsonb_array_elements_text(coalesce(w.entries, m.declared #> '{refresh,schedule}', '[]')) AS t(entry)
        CROSS JOIN LATERAL (
          SELECT s.cron, nullif(pg_catalog.substring(s.cron, '\*/(\d{1,2}) ')::int, 0) AS step
          FROM (SELECT pg_catalog.regexp_replace(pg_catalog.btrim(pg_catalog.lower(t.entry), E' \t'), '\s+', ' ', 'g') AS cron) AS s) AS o
        UNION ALL
        SELECT pg_catalog.make_interval(secs => (m.declared #>> '{refresh,target_lag}')::float8), NULL
        WHERE w.entries IS NULL AND m.declared #>> '{refresh,target_lag}' IS NOT NULL) AS e) AS b
CROSS JOIN LATERAL (
  SELECT pg_catalog.make_interval(secs => (m.declared #>> '{freshness,warn_after}')::float8) AS warn,
         pg_catalog.make_interval(secs => (m.declared #>> '{freshness,error_after}')::float8) AS error) AS d
CROSS JOIN LATERAL (
  -- Who knows not how long lies between two runs knows of no error by it: `warn_after` is none.
  SELECT coalesce(d.error, CASE WHEN b.schedules = b.known THEN greatest(d.warn, coalesce(2 * b.apart, interval '1 day')) END) AS error) AS h
CROSS JOIN LATERAL (SELECT h.error AS error_after, coalesce(d.warn, h.error / 2) AS warn_after) AS f
WHERE m.status <> 'dropped';

-- Who meets another's lock is skipped, as by the command line, and what reads the mart does not go on without it.
CREATE OR REPLACE FUNCTION {registry}.begin_here(run bigint, among bigint[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $datamart$
DECLARE
  mine record;
  outcome text := 'skipped';
  why text;
  message text;
  kind text := 'config';
  way text;
  lock bigint;
BEGIN
  SELECT r.project, r.schema, r.mart, r.options, m.kind, m.declared, m.revision, c.relkind, c.relispopulated, full_name,
         coalesce((r.options ->> 'concurrent')::boolean, (m.declared #>> '{refresh,concurrent}')::boolean, true) AS concurrent,
         (SELECT format('%I.%I', b.schema, b.mart) FROM {registry}.refreshes AS b
          JOIN {registry}.upstream(r.project, r.schema, r.mart) AS u ON u.up_schema = b.schema AND u.up_mart = b.mart
          WHERE b.run = ANY ($2) AND b.project = r.project AND (b.status IN ('failed', 'cancelled') OR (b.status = 'skipped' AND (b.error IS NULL OR b.error ->> 'kind' = 'lock')))
          LIMIT 1) AS blocked,
         EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                 AND i.indpred IS NULL AND i.indexprs IS NULL) AS has_key
  INTO mine
  FROM {registry}.refreshes AS r
  CROSS JOIN LATERAL format('%I.%I', r.schema, r.mart) AS full_name
  LEFT JOIN {registry}.marts AS m ON m.project = r.project AND m.schema = r.schema AND m.name = r.mart AND m.status <> 'dropped'
  LEFT JOIN {registry}.versions AS v ON v.project = m.project AND v.schema = m.schema AND v.name = m.name AND v.published
  LEFT JOIN LATERAL parse_ident(v.relation) AS q(words) ON true
  LEFT JOIN pg_namespace AS n ON n.nspname = coalesce(q.words[1], m.schema)
  LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = coalesce(q.words[2], m.name)
  WHERE r.run = $1 AND r.status = 'queued'
  FOR UPDATE OF r;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  lock := {registry}.lock_key(mine.project, 'mart:' || mine.full_name);
  way := format('start `datamart daemon`, or run `datamart refresh %s`', mine.full_name);
  IF mine.kind IS NULL OR (mine.kind = 'materialized_view' AND mine.relkind IS DISTINCT FROM 'm') THEN
    outcome := 'failed';
    kind := 'missing';
    message := format('%s is not in the database', mine.full_name);
  ELSIF mine.blocked IS NOT NULL THEN
    why := mine.blocked || ', which it reads, was not refreshed';
  ELSIF mine.kind <> 'materialized_view' THEN
    message := format('no daemon is at work, and a %s is for it to refresh', replace(mine.kind, '_', ' '));
  ELSIF jsonb_array_length(coalesce(nullif(mine.declared -> 'checks', 'null'), '[]')) > 0 THEN
    message := 'no daemon is at work, and its checks are for it to run';
  ELSIF mine.declared #>> '{versions,on}' = 'refresh' THEN
    message := 'no daemon is at work, and another version is for it to make';
  ELSIF (mine.options ->> 'concurrent')::boolean AND NOT (mine.has_key AND mine.relispopulated) THEN
    -- Who says so wants no reader to wait, whatever comes of it.
    outcome := 'failed';
    kind := 'missing';
    message := CASE WHEN mine.has_key THEN format('%s holds no rows yet, so it cannot be refreshed CONCURRENTLY', mine.full_name)
                    ELSE format('CONCURRENTLY needs a unique index on plain columns of %s, without a predicate', mine.full_name) END;
    way := 'refresh it without concurrent => true; with a unique index in its manifest readers need not wait';
  ELSIF NOT pg_try_advisory_lock(lock) THEN
    kind := 'lock';
    why := 'another run holds it';
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
           error = '{"kind": "connection", "sqlstate": null, "message": "the process that ran it ended", "hint": null}'
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
                'kind', kind, 'sqlstate', NULL, 'message', message, 'hint', way) END
  WHERE r.run = $1;
  PERFORM {registry}.settle($1);
  RETURN false;
END
$datamart$;
