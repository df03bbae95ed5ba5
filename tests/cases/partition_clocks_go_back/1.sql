CREATE TABLE events (at timestamptz, n int);
INSERT INTO events SELECT timestamptz '2025-10-25 22:00+00' + make_interval(mins => 30 * n), n FROM generate_series(0, 10) AS n;
