DROP INDEX a_total_idx;
