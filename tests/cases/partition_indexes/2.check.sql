SELECT bool_and(indisvalid) AND count(*) = 12 FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('sales'));
