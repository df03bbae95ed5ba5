-- What a dropped mart leaves: its row, and no position, which nothing would bring up to date.
WITH position AS (
    DELETE FROM {registry}.positions WHERE project = $1 AND schema = $2 AND name = $3
)
UPDATE {registry}.marts SET status = 'dropped', changed_at = now(), relation = NULL
WHERE project = $1 AND schema = $2 AND name = $3
