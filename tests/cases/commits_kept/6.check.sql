SELECT count(*) = 1 FROM pg_proc WHERE proname ~ '^commits_[0-9a-f]{8}__';
