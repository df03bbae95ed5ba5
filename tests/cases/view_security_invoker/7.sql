ALTER VIEW v SET (security_invoker = 1);
