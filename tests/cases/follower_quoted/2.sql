{facts}
CREATE SCHEMA "Other ""Team""";
CREATE VIEW "Other ""Team"""."Their View" AS SELECT "My Mart"."The Day", "My Mart".total AS "My Mart" FROM "Marts"."My Mart";
CREATE MATERIALIZED VIEW "Other ""Team"""."Their Rows" AS SELECT m."The Day" AS d FROM "Marts"."My Mart" m; CREATE INDEX "An Index" ON "Other ""Team"""."Their Rows" (d);
SELECT keep('"Other ""Team"""."Their View"');
SELECT keep('"Other ""Team"""."Their Rows"');
