INSERT INTO {registry}.audit (project, who, host, action, address, detail)
SELECT $1, $2, $3, a.action, a.address, jsonb_build_object('apply', $6::bigint, 'revision', $7::text)
FROM unnest($4::text[], $5::text[]) AS a (action, address)
