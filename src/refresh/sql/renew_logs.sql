WITH emptied AS (
    UPDATE {registry}.captures AS c SET generation = pg_catalog.gen_random_uuid(), renewed_at = now()
    WHERE c.project = $1 AND NOT c.logged AND NOT EXISTS (
        SELECT FROM {registry}.sentinels AS s
        WHERE s.project = c.project AND s.schema = c.schema AND s.name = c.name AND s.generation = c.generation
    )
    RETURNING c.project, c.schema, c.name, c.generation
)
INSERT INTO {registry}.sentinels (project, schema, name, generation) SELECT project, schema, name, generation FROM emptied
ON CONFLICT (project, schema, name) DO UPDATE SET generation = excluded.generation
