UPDATE {registry}.refreshes
SET status = $2, method = $3, reason = $4, finished_at = $5, duration_ms = $6, rows_inserted = $7, rows_updated = $8,
    rows_deleted = $9, row_count = $10, size_bytes = $11, newest = $12, snapshot = $13, error = $14
WHERE run = $1
