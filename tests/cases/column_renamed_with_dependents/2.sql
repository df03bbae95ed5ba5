{facts}
CREATE VIEW days AS SELECT day FROM b; CREATE VIEW totals AS SELECT total FROM c; GRANT SELECT ON days TO PUBLIC;
SELECT keep('days');
