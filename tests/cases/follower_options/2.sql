{facts}
CREATE VIEW barrier WITH (security_barrier) AS SELECT id, amount FROM t WHERE amount > 1;
CREATE VIEW checked AS SELECT id, amount FROM t WHERE amount > 1 WITH LOCAL CHECK OPTION;
CREATE VIEW cascaded AS SELECT id FROM checked WITH CASCADED CHECK OPTION;
SELECT keep('barrier');
SELECT keep('checked');
SELECT keep('cascaded');
