CREATE TABLE events (id int PRIMARY KEY, day date NOT NULL, tags text[] NOT NULL);
