DROP INDEX a_total_idx; CREATE INDEX a_total_idx ON a (total DESC);
