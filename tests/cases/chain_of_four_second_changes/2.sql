{facts}
CREATE VIEW theirs_a AS SELECT day FROM a; CREATE VIEW theirs_b AS SELECT total FROM b; CREATE VIEW theirs_c AS SELECT * FROM c; CREATE VIEW theirs_d AS SELECT day, total FROM d;
SELECT keep('theirs_a');
SELECT keep('theirs_b');
SELECT keep('theirs_c');
SELECT keep('theirs_d');
SELECT keep('a');
SELECT keep('c');
