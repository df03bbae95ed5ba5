-- Recursion, and what WITH can say.
-- left s.cycle_words
CREATE SCHEMA s;
CREATE TABLE s.node (id int PRIMARY KEY, parent int REFERENCES s.node, name text);
INSERT INTO s.node VALUES (1, NULL, 'root'), (2, 1, 'a'), (3, 1, 'b'), (4, 2, 'c');
CREATE RECURSIVE VIEW s.tree (id, depth) AS SELECT id, 0 FROM s.node WHERE parent IS NULL UNION ALL SELECT n.id, t.depth + 1 FROM s.node n JOIN tree t ON t.id = n.parent;
CREATE VIEW s.path AS WITH RECURSIVE walk AS (
    SELECT id, ARRAY[id] AS ids, name::text AS "Path" FROM s.node WHERE parent IS NULL
    UNION SELECT n.id, w.ids || n.id, w."Path" || '/' || n.name FROM s.node n, walk w WHERE n.parent = w.id
  ) SELECT * FROM walk ORDER BY "Path";
CREATE VIEW s.depth_first AS WITH RECURSIVE walk (id, parent) AS (
    SELECT id, parent FROM s.node WHERE parent IS NULL UNION ALL SELECT n.id, n.parent FROM s.node n JOIN walk w ON n.parent = w.id
  ) SEARCH DEPTH FIRST BY id SET "Seq" SELECT id, "Seq"::text AS seq FROM walk ORDER BY "Seq";
CREATE VIEW s.breadth_first AS WITH RECURSIVE walk AS (
    SELECT id, parent FROM s.node WHERE parent IS NULL UNION ALL SELECT n.id, n.parent FROM s.node n JOIN walk w ON n.parent = w.id
  ) SEARCH BREADTH FIRST BY parent, id SET seq CYCLE id SET looped USING trail SELECT id, parent, looped, seq::text AS seq, trail::text AS trail FROM walk;
CREATE VIEW s.cycle_words AS WITH RECURSIVE walk AS (
    SELECT id, parent FROM s.node UNION ALL SELECT n.id, n.parent FROM s.node n JOIN walk w ON n.parent = w.id
  ) CYCLE id, parent SET looped TO 'Y' DEFAULT 'N' USING "The trail" SELECT id, looped FROM walk;
CREATE VIEW s.materialized AS WITH a AS MATERIALIZED (SELECT id FROM s.node), b AS NOT MATERIALIZED (SELECT id FROM a), c (x, y) AS (VALUES (1, 'a'), (2, 'b'))
  SELECT a.id, c.y FROM a JOIN b USING (id) JOIN c ON c.x = a.id;
CREATE VIEW s.shadows AS WITH node AS (SELECT 1 AS id), tree AS (SELECT id + 1 AS id FROM node) SELECT node.id, tree.id AS "Id", n.name FROM node, tree, s.node n;
CREATE VIEW s.nested AS WITH a AS (WITH b AS (SELECT id FROM s.node) SELECT * FROM b UNION SELECT 0) SELECT * FROM a WHERE id IN (WITH c AS (SELECT id FROM a) SELECT id FROM c);
CREATE MATERIALIZED VIEW s.stored_tree AS SELECT t.depth, count(*) AS number FROM s.tree t GROUP BY t.depth;
CREATE UNIQUE INDEX ON s.stored_tree (depth);
CREATE VIEW s.on_stored AS SELECT depth FROM s.stored_tree WHERE number > 1;
