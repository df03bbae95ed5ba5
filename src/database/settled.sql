-- Whether our start-up settings arrived: a pooler may drop them without a word.
SELECT pg_catalog.current_setting('search_path') = 'pg_catalog,pg_temp' AS settled,
       CASE WHEN pg_catalog.current_setting('search_path') = 'pg_catalog,pg_temp'
             AND pg_catalog.current_setting('transaction_timeout', true) <> '0'
            THEN pg_catalog.set_config('transaction_timeout', '0', false) END,
       -- What is bound is of no concern to the server's log: keys are customers' at times. Who may not set it lets it be.
       CASE WHEN pg_catalog.current_setting('search_path') = 'pg_catalog,pg_temp'
             AND pg_catalog.current_setting('is_superuser') = 'on'
            THEN pg_catalog.set_config('log_parameter_max_length', '0', false) END
