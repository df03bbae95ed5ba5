SELECT count(*) = 1 FROM pg_trigger WHERE tgname ~ '^commits_[0-9a-f]{8}$' AND tgenabled = 'A' AND tgdeferrable AND tginitdeferred;
