SELECT count(*) = 4 FROM reader;
