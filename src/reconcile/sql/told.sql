SELECT t.address, t.event FROM {registry}.told AS t WHERE t.project = $1
