CREATE TABLE events (at timestamp(3), n int);
INSERT INTO events VALUES ('2024-02-29 23:59:59.999', 1), ('2024-03-01', 2), ('2024-12-31 23:59:59.999', 3), ('2025-01-01', 4);
