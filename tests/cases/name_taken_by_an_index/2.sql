DROP INDEX a_day_idx; DROP TABLE t_pkey;
