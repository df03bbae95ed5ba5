DROP INDEX a_day_idx__next;
