-- Anything may have been written by a transaction that is open and of no session: it was prepared, maybe before the log was emptied.
-- One that just ended, or of a session that may not be looked at, is marked as well, which costs no more than computing all rows.
INSERT INTO {segment} (datamart_xid, datamart_mark)
SELECT open.xid, 'P'
FROM pg_catalog.pg_snapshot_xip(pg_catalog.pg_current_snapshot()) AS open (xid)
WHERE pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int4 > 0
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a WHERE a.backend_xid = open.xid::pg_catalog.xid)
