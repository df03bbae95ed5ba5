-- Applies that never told their end: their session is gone, this one holds the lock.
UPDATE {registry}.applies SET finished_at = now(), status = 'cancelled' WHERE project = $1 AND status = 'running'
