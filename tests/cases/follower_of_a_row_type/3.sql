CREATE TABLE holds (one a);
