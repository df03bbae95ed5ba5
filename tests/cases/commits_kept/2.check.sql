SELECT string_agg(b::text, ' ' ORDER BY kind) = '(a,2,15) (c,2,27)' FROM by_kind AS b;
SELECT count(*) = 2 FROM pg_proc WHERE proname ~ '^commits_[0-9a-f]{8}__';
