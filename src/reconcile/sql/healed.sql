INSERT INTO {registry}.heals (project, address, object, at)
SELECT $1, h.address, h.object, $2 FROM unnest($3::text[], $4::text[]) AS h (address, object)
