-- While we hold its row the run cannot end, and its session cannot begin another one.
SELECT r.status FROM {registry}.refreshes AS r WHERE r.project = $1 AND r.run = $2 FOR UPDATE
