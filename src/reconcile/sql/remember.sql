WITH said AS (
  SELECT s.address, s.event, s.holds FROM unnest($2::text[], $3::text[], $4::boolean[]) AS s(address, event, holds)),
over AS (
  DELETE FROM {registry}.told AS t USING said AS s
  WHERE NOT s.holds AND t.project = $1 AND t.address = s.address AND t.event = s.event)
INSERT INTO {registry}.told (project, address, event)
SELECT $1, s.address, s.event FROM said AS s WHERE s.holds
ON CONFLICT DO NOTHING
