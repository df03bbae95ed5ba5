SET TimeZone = 'UTC';
CREATE TABLE events (at timestamptz, n int);
INSERT INTO events SELECT timestamptz '2026-06-14 22:00+00' + make_interval(mins => 20 * n), n FROM generate_series(0, 40) AS n;
