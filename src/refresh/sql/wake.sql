SELECT pg_catalog.pg_notify('datamart_wake', pg_catalog.json_build_object('project', $1::text, 'what', $2::text)::text)
