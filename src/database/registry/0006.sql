-- Whose changes are logged, and how. The logs themselves are tables of this schema that a plan makes.
CREATE TABLE {registry}.captures (
    project    text NOT NULL,
    schema     text NOT NULL,
    name       text NOT NULL,
    relation   oid NOT NULL,
    generation uuid NOT NULL,
    columns    text[] NOT NULL,
    types      text[] NOT NULL,
    logged     boolean NOT NULL,
    -- The function, and what the names of the segments begin with.
    log        text NOT NULL,
    -- MD5 of the function's body.
    body       text NOT NULL,
    -- The files of the segments: others, once a segment was emptied.
    files      oid[] NOT NULL,
    segment    smallint NOT NULL DEFAULT 0,
    rotated_at timestamptz NOT NULL DEFAULT now(),
    made_at    timestamptz NOT NULL DEFAULT now(),
    -- A crash emptied it last before that.
    renewed_at timestamptz,
    PRIMARY KEY (project, schema, name)
);
COMMENT ON TABLE {registry}.captures IS 'datamart: the tables whose changes are logged';

-- A crash empties the logs, and this table with them: where the row of a log is missing, the log says nothing.
CREATE UNLOGGED TABLE {registry}.sentinels (
    project    text NOT NULL,
    schema     text NOT NULL,
    name       text NOT NULL,
    generation uuid NOT NULL,
    PRIMARY KEY (project, schema, name)
);
COMMENT ON TABLE {registry}.sentinels IS 'datamart: the logs of changes that no crash emptied';

-- Up to where the rows of a mart have seen their sources: by the relation that stores them.
CREATE TABLE {registry}.positions (
    project     text NOT NULL,
    schema      text NOT NULL,
    name        text NOT NULL,
    snapshot    pg_snapshot NOT NULL,
    xid         xid8,
    at          timestamptz NOT NULL,
    fingerprint text NOT NULL,
    cost        double precision,
    rows        bigint,
    refreshes   integer NOT NULL DEFAULT 0,
    verified    integer NOT NULL DEFAULT 0,
    demoted     text,
    PRIMARY KEY (project, schema, name)
) WITH (fillfactor = 50);
COMMENT ON TABLE {registry}.positions IS 'datamart: which changes of its sources a mart has seen';

ALTER TABLE {registry}.refreshes ADD COLUMN decision jsonb;

-- Triggered marts follow the same logs. The triggers on their sources go with their function; a plan makes the logs.
DROP FUNCTION {registry}.touch() CASCADE;
DROP TABLE {registry}.touched;
