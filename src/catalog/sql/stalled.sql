-- What was put back too often within the last hour, by mart.
SELECT address, array_agg(object ORDER BY object) AS objects
FROM (SELECT address, object FROM {registry}.heals WHERE project = $1 AND at > now() - interval '1 hour'
      GROUP BY address, object HAVING count(*) >= $2) AS h
GROUP BY address
