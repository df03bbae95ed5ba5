{facts}
CREATE VIEW star AS SELECT * FROM a; CREATE VIEW whole AS SELECT a.*, a.total * 2 AS twice FROM a; CREATE VIEW over_ours AS SELECT * FROM ours;
CREATE MATERIALIZED VIEW stored AS SELECT * FROM a;
SELECT keep('star');
SELECT keep('whole');
SELECT keep('over_ours');
SELECT keep('stored');
