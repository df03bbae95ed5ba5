{facts}
CREATE VIEW broken AS SELECT day, total FROM a; CREATE MATERIALIZED VIEW below AS SELECT day FROM broken; CREATE VIEW fine AS SELECT category FROM a;
SELECT keep('fine');
