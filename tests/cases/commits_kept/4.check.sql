SELECT string_agg(b::text, ' ' ORDER BY kind) = '(a,2,15) (c,3,28)' FROM by_kind AS b;
SELECT string_agg(b::text, ' ' ORDER BY class) = '(x,43)' FROM by_class AS b;
