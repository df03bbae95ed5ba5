CREATE TABLE mark AS SELECT 'a'::regclass::oid AS a, 'b'::regclass::oid AS b, 'c'::regclass::oid AS c, 'east.x'::regclass::oid AS east, 'west.x'::regclass::oid AS west, 'east.x_day_idx'::regclass::oid AS i;
INSERT INTO datamart.refreshes (project, schema, mart, status) VALUES ('default', 'public', 'a', 'success'), ('default', 'public', 'b', 'failed'), ('default', 'public', 'c', 'noop');
