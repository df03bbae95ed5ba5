-- What the checks of marts found, at most a few failing rows of each.
ALTER TABLE {registry}.refreshes ADD COLUMN checks jsonb;
ALTER TABLE {registry}.applies ADD COLUMN checks jsonb;
