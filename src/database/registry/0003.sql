-- What the database had of a version right after it was made or changed, and where its relation is.
ALTER TABLE {registry}.versions ADD COLUMN applied jsonb;
ALTER TABLE {registry}.versions ADD COLUMN oid oid;
ALTER TABLE {registry}.versions ADD COLUMN revision text;
-- A rollback that holds until the mart's file changes: the version, and the file's fingerprint then.
ALTER TABLE {registry}.marts ADD COLUMN held jsonb;
