UPDATE {registry}.refreshes SET checks = $2 WHERE run = $1
