DROP VIEW theirs;
