UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'a_total_idx'::regclass;
