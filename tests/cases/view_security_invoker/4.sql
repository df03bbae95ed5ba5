ALTER VIEW v SET (security_invoker = on); ALTER VIEW w SET (security_invoker = true);
