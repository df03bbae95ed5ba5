SELECT string_agg(version || ' ' || relation || ' ' || published, ', ' ORDER BY version) = '1 public.sales_v1 false, 2 public.turnover_v2 true' FROM datamart.versions;
