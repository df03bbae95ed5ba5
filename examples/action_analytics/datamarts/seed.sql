-- Actions that triggers started, and how each of them went: run once, when the embedded database is created.
-- The same rows every time, relative to the moment: every "random" number is a hash of the row's own number.
-- SET example.results = '20000' before it makes a smaller one.

CREATE FUNCTION noise(row_number bigint, salt integer) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(row_number, salt) & 9007199254740991)::double precision / 9007199254740992;
COMMENT ON FUNCTION noise IS 'Between 0 and 1, the same for the same arguments';

CREATE TABLE triggers (
    trigger_id  text PRIMARY KEY,
    name        text NOT NULL,
    action_type text NOT NULL CHECK (action_type IN ('telegram', 'rest', 'mcp')),
    enabled     boolean NOT NULL
);

-- 100 triggers: half of them send messages, few call tools.
INSERT INTO triggers
SELECT 'trg_' || lpad(t::text, 3, '0'),
       (ARRAY['Reputation drop', 'New agent', 'Feedback received', 'Validation failed', 'Owner changed'])[1 + t % 5] || ' ' || t,
       CASE WHEN t % 10 < 5 THEN 'telegram' WHEN t % 10 < 9 THEN 'rest' ELSE 'mcp' END,
       t % 25 <> 0
FROM generate_series(1, 100) AS t;

CREATE TABLE action_results (
    result_id     bigint NOT NULL,
    trigger_id    text NOT NULL,
    action_type   text NOT NULL CHECK (action_type IN ('telegram', 'rest', 'mcp')),
    status        text NOT NULL CHECK (status IN ('success', 'failed', 'retrying')),
    executed_at   timestamptz NOT NULL,
    duration_ms   integer NOT NULL CHECK (duration_ms >= 0),
    retry_count   integer NOT NULL,
    error_message text,
    response_data jsonb
);

-- 1,000,000 results of the last 30 days, in daily waves; few triggers start most of them, every 20th trigger fails
-- ten times as often as the others.
WITH size AS (
    SELECT coalesce(nullif(current_setting('example.results', true), ''), '1000000')::bigint AS n, date_trunc('second', now()) AS until
), drawn AS (
    SELECT i, 1 + floor(100 * noise(i, 1) ^ 2)::int AS t, noise(i, 2) AS luck, noise(i, 3) AS slow, 30.0 * (size.n - i) / size.n AS ago,
           size.until
    FROM size, generate_series(1, size.n) AS i
), told AS (
    SELECT d.*, k.action_type, k.trigger_id,
           CASE WHEN luck < CASE WHEN t % 20 = 0 THEN 0.07 ELSE 0.007 END THEN 'failed'
                WHEN luck > 0.985 THEN 'retrying'
                ELSE 'success' END AS status
    FROM drawn AS d
    JOIN triggers AS k ON k.trigger_id = 'trg_' || lpad(t::text, 3, '0')
)
INSERT INTO action_results
SELECT i, trigger_id, action_type, status,
       until - interval '1 day' * (ago + 0.1 * (1 - cos(2 * pi() * ago))),
       CASE action_type WHEN 'telegram' THEN 60 + floor(400 * slow ^ 4)::int
                        WHEN 'rest' THEN 90 + floor(1800 * slow ^ 5)::int
                        ELSE 400 + floor(6000 * slow ^ 3)::int END + CASE status WHEN 'failed' THEN 5000 ELSE 0 END,
       CASE status WHEN 'failed' THEN 3 WHEN 'retrying' THEN 1 + floor(2 * noise(i, 4))::int ELSE 0 END,
       CASE WHEN status = 'failed' THEN f.message END,
       CASE WHEN status = 'failed' THEN jsonb_build_object('code', f.code, 'attempt', 3) END
FROM told
CROSS JOIN LATERAL (SELECT (ARRAY['connection timed out', 'rate limit exceeded', 'upstream returned 502', 'chat not found'])[k] AS message,
                           (ARRAY[504, 429, 502, 404])[k] AS code
                    FROM (SELECT 1 + floor(4 * noise(i, 5))::int) AS n (k)) AS f;

ALTER TABLE action_results
    ADD PRIMARY KEY (result_id),
    ADD FOREIGN KEY (trigger_id) REFERENCES triggers;
CREATE INDEX ON action_results (executed_at);
CREATE INDEX ON action_results (executed_at) WHERE status = 'failed';

DROP FUNCTION noise;
ANALYZE triggers, action_results;
