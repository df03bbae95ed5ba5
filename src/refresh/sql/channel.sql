CASE WHEN status IN ('success', 'noop') THEN 'datamart_refreshed' ELSE 'datamart_not_refreshed' END
