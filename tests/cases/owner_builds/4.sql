CREATE ROLE {db}_next; GRANT SELECT ON orders TO {db}_next; GRANT CREATE ON SCHEMA public TO {db}_next;
