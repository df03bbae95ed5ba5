SELECT count(*) = 1 FROM "Our registry".marts;
