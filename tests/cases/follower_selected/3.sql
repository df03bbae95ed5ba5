{facts}
CREATE VIEW w AS SELECT n FROM b;
SELECT keep('v');
SELECT keep('w');
