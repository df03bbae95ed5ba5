{facts}
CREATE VIEW w AS SELECT a.day, t.id FROM a JOIN t USING (day); CREATE VIEW of_t AS SELECT id FROM t; GRANT SELECT ON w TO PUBLIC;
SELECT keep('of_t');
SELECT keep('w');
