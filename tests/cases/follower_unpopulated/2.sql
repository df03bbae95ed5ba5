{facts}
CREATE MATERIALIZED VIEW hollow AS SELECT day, total FROM a WITH NO DATA; CREATE INDEX ON hollow (day); CREATE VIEW over_hollow AS SELECT day FROM hollow;
SELECT keep('hollow');
SELECT keep('over_hollow');
