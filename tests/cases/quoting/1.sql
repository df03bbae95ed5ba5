CREATE TABLE "My ""orders""" ("Order" int PRIMARY KEY, "tägliche Größe" text, "select" numeric, "a""b" date);
INSERT INTO "My ""orders""" SELECT i, 'x' || i, i, date '2024-01-01' FROM generate_series(1, 9) AS i;
CREATE ROLE "{db} Reader"; CREATE ROLE "{db}_Ünï"; GRANT ALL ON ALL TABLES IN SCHEMA public TO "{db}_Ünï"; GRANT CREATE ON SCHEMA public TO "{db}_Ünï";
