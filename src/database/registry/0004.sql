-- What daemons need: who leads, what was asked for and waits, what holds instead of a file, how the last revision went.
ALTER TABLE {registry}.refreshes DROP CONSTRAINT refreshes_status_check;
ALTER TABLE {registry}.refreshes ADD CONSTRAINT refreshes_status_check
    CHECK (status IN ('queued', 'running', 'success', 'failed', 'skipped', 'noop', 'cancelled'));
-- Runs asked for together have the first one's number here.
ALTER TABLE {registry}.refreshes ADD COLUMN request bigint;
-- How it was asked for: {"how": "full" | "incremental" | "smart", "days": 2, "concurrent": true}.
ALTER TABLE {registry}.refreshes ADD COLUMN options jsonb;
-- schedule, lag, after, request, change, notify, retry, missed.
ALTER TABLE {registry}.refreshes ADD COLUMN cause text;
ALTER TABLE {registry}.refreshes ADD COLUMN epoch bigint;
ALTER TABLE {registry}.refreshes ADD COLUMN due_at timestamptz;
CREATE INDEX refreshes_open_idx ON {registry}.refreshes (project, run) WHERE status IN ('queued', 'running');
CREATE INDEX refreshes_request_idx ON {registry}.refreshes (request) WHERE request IS NOT NULL;

CREATE TABLE {registry}.leaders (
    project text PRIMARY KEY,
    epoch   bigint NOT NULL,
    host    text NOT NULL,
    process integer NOT NULL,
    backend integer NOT NULL,
    since   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {registry}.leaders IS 'datamart: which daemon leads; each leadership has an epoch';

-- An empty schema and name stand for the whole project.
CREATE TABLE {registry}.overrides (
    project text NOT NULL,
    schema  text NOT NULL,
    name    text NOT NULL,
    what    text NOT NULL CHECK (what IN ('suspend', 'schedule')),
    value   jsonb,
    file    text,
    who     text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, schema, name, what)
);
COMMENT ON TABLE {registry}.overrides IS 'datamart: what holds instead of what the manifest says';

CREATE TABLE {registry}.reconciles (
    project      text PRIMARY KEY,
    attempted    text,
    attempted_at timestamptz,
    applied      text,
    applied_at   timestamptz,
    status       text NOT NULL CHECK (status IN ('applied', 'pending', 'invalid', 'failed')),
    reason       text,
    message      text,
    problems     jsonb,
    plan         jsonb,
    fingerprint  text,
    approved     text,
    approved_by  text,
    approved_at  timestamptz,
    drift        jsonb,
    drift_at     timestamptz
);
COMMENT ON TABLE {registry}.reconciles IS 'datamart: the last revision that was tried, what waits for approval, the drift that was found';

CREATE TABLE {registry}.heals (
    project text NOT NULL,
    address text NOT NULL,
    object  text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX heals_project_at_idx ON {registry}.heals (project, at);
COMMENT ON TABLE {registry}.heals IS 'datamart: drift that a daemon put back';

CREATE TABLE {registry}.told (
    project text NOT NULL,
    address text NOT NULL,
    event   text NOT NULL,
    since   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, address, event)
);
COMMENT ON TABLE {registry}.told IS 'datamart: states that were notified of and still hold';

-- Counted apart from the history, which is pruned; with what the last run of each kind found, so that nobody has to look for it.
CREATE TABLE {registry}.totals (
    project     text NOT NULL,
    schema      text NOT NULL,
    mart        text NOT NULL,
    status      text NOT NULL,
    runs        bigint NOT NULL,
    seconds     double precision NOT NULL,
    buckets     bigint[] NOT NULL,
    run         bigint NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    row_count   bigint,
    size_bytes  bigint,
    newest      text,
    PRIMARY KEY (project, schema, mart, status)
) WITH (fillfactor = 70);
COMMENT ON TABLE {registry}.totals IS 'datamart: how many runs ended how, how long they took, and the last of them';

-- UNLOGGED: after a crash every triggered mart is refreshed once. Rows are added by statement triggers on source tables.
CREATE UNLOGGED TABLE {registry}.touched (
    source oid NOT NULL,
    xid    xid8 NOT NULL
);
COMMENT ON TABLE {registry}.touched IS 'datamart: which transaction wrote to which source of a triggered mart';
-- Where this row is missing, a crash emptied the table.
INSERT INTO {registry}.touched VALUES (0, '3');

-- A write of somebody else never fails because of us: where the table is gone or may not be written, nothing is noted.
CREATE FUNCTION {registry}.touch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $touch$
BEGIN
    IF pg_catalog.has_table_privilege(pg_catalog.to_regclass($name${registry}.touched$name$), 'INSERT') THEN
        INSERT INTO {registry}.touched VALUES (TG_RELID, pg_catalog.pg_current_xact_id());
    END IF;
    RETURN NULL;
END
$touch$;
COMMENT ON FUNCTION {registry}.touch() IS 'datamart: notes that a source of a triggered mart was written to';
