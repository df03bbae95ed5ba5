UPDATE {registry}.meta SET format = $1
