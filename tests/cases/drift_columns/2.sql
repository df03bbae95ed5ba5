ALTER TABLE a ADD note text; ALTER TABLE a ALTER amount TYPE bigint;
