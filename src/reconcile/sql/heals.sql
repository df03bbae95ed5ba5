-- How often each object was put back lately.
SELECT address, object, count(*) AS times FROM {registry}.heals
WHERE project = $1 AND at > $2::timestamptz - interval '1 hour' GROUP BY address, object
