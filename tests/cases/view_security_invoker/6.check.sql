SELECT bool_and(reloptions = '{security_invoker=true}') FROM pg_class WHERE relname IN ('v', 'w');
