-- Runs asked for together have the first one's number.
UPDATE {registry}.refreshes SET request = $2 WHERE run = ANY ($1::bigint[])
