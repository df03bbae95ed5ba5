{facts}
CREATE ROLE {db}_bi; CREATE ROLE {db}_lead;
CREATE VIEW w WITH (security_barrier = true) AS SELECT x.day, x.total, x.category FROM a x WHERE x.total > 0;
COMMENT ON VIEW w IS 'Their view'; COMMENT ON COLUMN w.total IS 'of a day';
GRANT SELECT ON w TO {db}_bi; GRANT SELECT (day) ON w TO PUBLIC; GRANT SELECT, INSERT ON w TO {db}_lead WITH GRANT OPTION;
CREATE VIEW beyond AS SELECT day FROM w;
SELECT keep('w');
SELECT keep('beyond');
