{facts}
GRANT SELECT ON a TO {db}_bi; ALTER DEFAULT PRIVILEGES FOR ROLE {db}_bi GRANT SELECT ON TABLES TO PUBLIC; SET ROLE {db}_bi;
CREATE VIEW theirs.v AS SELECT day, total FROM public.a;
CREATE MATERIALIZED VIEW theirs.mv AS SELECT category, count(*) AS n FROM public.a GROUP BY 1; CREATE UNIQUE INDEX ON theirs.mv (category);
REVOKE ALL ON theirs.v, theirs.mv FROM PUBLIC; GRANT SELECT ON theirs.v TO {db}_other; RESET ROLE;
SELECT keep('theirs.v');
SELECT keep('theirs.mv');
