-- Marts that are to follow in a later transaction: until then their rows are old, and the next plan knows.
UPDATE {registry}.marts SET status = 'error' WHERE project = $1 AND schema = $2 AND name = $3
