SELECT is_kept('invoker');
SELECT has_its_oid('invoker');
SELECT reloptions = '{security_invoker=true}' AND obj_description(oid) = 'its column gets another type' FROM pg_class WHERE oid = 'retyped'::regclass;
