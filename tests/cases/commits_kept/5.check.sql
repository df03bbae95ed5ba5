SELECT string_agg(b::text, ' ' ORDER BY kind) = '(a,2,15,1) (c,3,28,2) (d,1,1,6)' FROM by_kind AS b;
SELECT string_agg(b::text, ' ' ORDER BY class) = '(x,43) (z,1)' FROM by_class AS b;
