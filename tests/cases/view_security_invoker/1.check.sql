SELECT reloptions = '{security_invoker=true}' FROM pg_class WHERE relname = 'v';
