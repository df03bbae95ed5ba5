CREATE TABLE {registry}.meta (
    one               boolean PRIMARY KEY DEFAULT true CHECK (one),
    format            integer NOT NULL,
    system_identifier text,
    database_oid      oid NOT NULL,
    database_name     text NOT NULL,
    server_major      integer NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    created_by        text NOT NULL
);
COMMENT ON TABLE {registry}.meta IS 'datamart: the format of this registry and the database it was written in';

CREATE TABLE {registry}.marts (
    project     text NOT NULL,
    schema      text NOT NULL,
    name        text NOT NULL,
    kind        text NOT NULL,
    status      text NOT NULL CHECK (status IN ('creating', 'active', 'error', 'dropped')),
    fingerprint text,
    declared    jsonb,
    applied     jsonb,
    relation    oid,
    file        text,
    revision    text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, schema, name)
);
COMMENT ON TABLE {registry}.marts IS 'datamart: what was declared and applied, one row per mart';

CREATE TABLE {registry}.versions (
    project     text NOT NULL,
    schema      text NOT NULL,
    name        text NOT NULL,
    version     integer NOT NULL,
    relation    text NOT NULL,
    fingerprint text,
    declared    jsonb,
    published   boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, schema, name, version)
);
COMMENT ON TABLE {registry}.versions IS 'datamart: the versions of versioned marts';

CREATE TABLE {registry}.applies (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project     text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    who         text NOT NULL,
    host        text,
    application text,
    pid         integer,
    revision    text,
    fingerprint text,
    plan        jsonb,
    status      text NOT NULL CHECK (status IN ('running', 'success', 'failed', 'cancelled')),
    steps_done  integer NOT NULL DEFAULT 0,
    steps_total integer NOT NULL DEFAULT 0,
    error       jsonb
);
CREATE INDEX applies_project_id_idx ON {registry}.applies (project, id DESC);
COMMENT ON TABLE {registry}.applies IS 'datamart: who changed what, when, from where';

CREATE TABLE {registry}.refreshes (
    run           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project       text NOT NULL,
    schema        text NOT NULL,
    mart          text NOT NULL,
    method        text,
    reason        text,
    status        text NOT NULL
                  CHECK (status IN ('running', 'success', 'failed', 'skipped', 'noop', 'cancelled')),
    started_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    duration_ms   double precision,
    rows_inserted bigint,
    rows_updated  bigint,
    rows_deleted  bigint,
    row_count     bigint,
    size_bytes    bigint,
    newest        text,
    snapshot      text,
    revision      text,
    requested_by  text,
    host          text,
    pid           integer,
    error         jsonb
);
CREATE INDEX refreshes_mart_run_idx ON {registry}.refreshes (project, schema, mart, run DESC);
CREATE INDEX refreshes_project_run_idx ON {registry}.refreshes (project, run DESC);
COMMENT ON TABLE {registry}.refreshes IS 'datamart: every run of every mart';

-- UNLOGGED: a crash of the server ends the sessions, and with them the locks.
CREATE UNLOGGED TABLE {registry}.locks (
    key         bigint PRIMARY KEY,
    project     text NOT NULL,
    name        text NOT NULL,
    pid         integer NOT NULL,
    host        text,
    application text,
    since       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {registry}.locks IS 'datamart: who holds which advisory lock; rows of sessions that hold none are stale';

CREATE TABLE {registry}.audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    project text NOT NULL,
    who     text NOT NULL,
    host    text,
    action  text NOT NULL,
    address text,
    detail  jsonb
);
CREATE INDEX audit_project_id_idx ON {registry}.audit (project, id DESC);
COMMENT ON TABLE {registry}.audit IS 'datamart: what was done by hand or by the daemon, append-only';
