DO $$ DECLARE t regclass; BEGIN SELECT tgrelid::regclass INTO t FROM pg_trigger WHERE tgname ~ '^commits_[0-9a-f]{8}$'; EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', t); END $$;
INSERT INTO kinds VALUES ('c', 'x');
INSERT INTO orders VALUES (5, 'c', 1);
