-- When partitions were built: the server's statistics forget it, and a VACUUM of somebody else moves it.
CREATE TABLE {registry}.partitions (
    -- What they are partitions of.
    parent   oid NOT NULL,
    relation oid NOT NULL,
    built_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (parent, relation)
);
