{facts}
GRANT USAGE ON SCHEMA public TO {db}_bi;
SELECT keep('theirs.v');
