CREATE TABLE events AS SELECT timestamptz '2024-06-01 00:30+00' + i * interval '1 hour' AS at FROM generate_series(0, 40) AS i;
DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Asia/Tokyo''', current_database()); END$$;
