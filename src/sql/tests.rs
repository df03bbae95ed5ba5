use super::{Query, QueryError};
use crate::state::QName;

/// What a query reads: names as stored, with the schema where one is written, `!` where an alias follows.
fn reads(text: &str) -> String {
    match Query::parse(text) {
        Ok(query) => query
            .relations
            .iter()
            .map(|r| {
                let schema = r.schema.as_ref().map_or(String::new(), |s| format!("{s}."));
                format!("{schema}{}{}", r.name, if r.aliased { "!" } else { "" })
            })
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => format!("error: {error} at {:?}", &text[error.span.clone()]),
    }
}

fn error(text: &str) -> QueryError {
    match Query::parse(text) {
        Ok(query) => panic!("{text} was accepted: {query:?}"),
        Err(error) => error,
    }
}

/// The query with every relation named `old` replaced by `s."New"`.
fn rewrite(text: &str, old: &str) -> String {
    let query = Query::parse(text).unwrap();
    let new = query.rewrite(|r| (r.name == old).then(|| QName::new("s", "New")));
    if let Err(error) = Query::parse(&new) {
        panic!("{new}: {error}");
    }
    new
}

#[test]
fn hard_queries() {
    for (text, expected) in [
        ("SELECT 1", ""),
        ("select * from orders", "orders"),
        ("select * from Orders o", "orders!"),
        ("select * from \"Orders\" as \"O\"", "Orders!"),
        ("select * from \"a\"\"b\".\"c.d\"", "a\"b.c.d"),
        ("select * from U&\"d\\0061t\\0061\"", "data"),
        ("select * from ventas_año", "ventas_año"),
        ("select * from shop.public.orders", "public.orders"),
        ("select * from a, b x, c", "a b! c"),
        ("select * from only a, only (s.b) x, c * y, d*", "a s.b! c! d"),
        ("table x", "x"),
        ("table only s.x order by 1 limit 3", "s.x"),
        ("values (1, 'a'), (2, 'b')", ""),
        ("select * from (values (1)) as v (a)", ""),
        ("(select * from a)", "a"),
        ("((select * from a) union (table b)) order by 1", "a b"),
        ("select 1 from a union all select 2 from b intersect select 3 from c except table d", "a b c d"),
        // CTEs
        ("with a as (select * from t) select * from a", "t"),
        ("with t as (select * from t) select * from t", "t"),
        ("with recursive t as (select 1 union select * from t) select * from t", ""),
        ("with recursive a as (select * from b), b as (select 1) select * from a", ""),
        ("with a as (select * from b), b as (select 1) select * from a, b", "b"),
        ("with a as (select 1), b as (select * from a) select * from b", ""),
        ("with a as (select 1) select * from public.a", "public.a"),
        ("with a as (select 1) select * from x where exists (select from a)", "x"),
        ("select * from (with a as (select 1) select * from a) q, a", "a"),
        ("with q as (select 1) select * from q union select * from q", ""),
        ("with q as (select 1) (select * from q) union table q", ""),
        ("(with q as (select 1) select * from q) union table q", "q"),
        ("select 1 from q union (with q as (select 1) select * from q)", "q"),
        ("with q as (select 1) select 1 union select 2 order by (select max(x) from q)", ""),
        ("with t as (select 1), u as (with t as (select * from t) select * from t) select * from u", ""),
        ("with A as (select 1), \"B\" as (select 1) select * from a, b", "b"),
        ("with a(x) as materialized (select 1), b as not materialized (select * from c) select * from a, b", "c"),
        (
            "with recursive a(x) as (select 1 union all select x from a) search depth first by x set o \
          cycle x set c using p select * from a",
            "",
        ),
        // places
        ("select (select max(x) from t2 where t2.a = t1.a), exists (select from t3) from t1", "t2 t3 t1"),
        ("select array(select x from a), x = any (select y from b), x in (table c) from d", "a b c d"),
        ("select * from a join lateral (select * from b where b.x = a.x) c on true", "a b"),
        ("select * from a left join b using (id) as j natural join c cross join d", "a b c d"),
        ("select * from (a join b on true) j, (c cross join d)", "a b c d"),
        ("select * from a tablesample bernoulli (10) repeatable (3), b x tablesample system (1)", "a b!"),
        ("select * from a where x > 1 limit (select n from b)", "a b"),
        ("select case when exists (select from a) then 1 end from b group by (select 1 from c)", "a b c"),
        // no relations
        ("select * from generate_series(1, 3) g, lateral f(g) with ordinality as h(a, b)", ""),
        ("select * from rows from (f(1), g(2)) as r, unnest(array(select x from t)) u", "t"),
        ("select * from jsonb_to_recordset('[]') as r(a int, b text), current_date d", ""),
        (
            "select * from xmltable('/r' passing (select d from docs) columns a int), json_table(j, '$' columns (a int)) t",
            "docs",
        ),
        (
            "select extract(epoch from x), substring(y from 1 for 2), trim(both 'x' from z), a is distinct from b from t",
            "t",
        ),
        // expressions
        (
            "select a, count(*) filter (where b > 1), grouping(a) from t group by grouping sets ((a), ()), rollup (b), cube (c)",
            "t",
        ),
        (
            "select percentile_cont(0.5) within group (order by x), sum(x) over w from t window w as \
          (partition by a order by b desc nulls last rows between unbounded preceding and current row)",
            "t",
        ),
        (
            "select x::numeric(10,2)[], cast(x as public.money), date '2020-01-01', interval '1 day', a[1:2], (a).b, (f(x)).* from t",
            "t",
        ),
        ("select x ->> 'a', x #> '{a,b}', x @> '{}', x ? 'a', x is json object, json_object('a': 1) from t", "t"),
        ("select distinct on (a) a, b from t order by a, b using > fetch first 3 rows with ties", "t"),
        ("select E'\\';', $$ ; -- $$, $q$ a $$ b $q$, 'it''s;', '--' from t -- ; from x", "t"),
        ("/* from a; /* nested ; */ */ select 1 from t /* ; */ ; -- ; done", "t"),
        ("select $_$from x$_$, U&'d\\0061', B'01', X'ff', 1e5, 1_000 from t;;", "t"),
        ("select a at time zone 'utc' collate \"C\", a between symmetric 1 and 2, not a isnull from t", "t"),
    ] {
        assert_eq!(reads(text), expected, "{text}");
    }
}

#[test]
fn spans_cover_the_whole_name() {
    let text = "select * from \"Sales\" . orders o";
    let query = Query::parse(text).unwrap();
    assert_eq!(&text[query.relations[0].span.clone()], "\"Sales\" . orders");
}

#[test]
fn the_text_ends_before_semicolon_and_comments() {
    let text = |t| Query::parse(t).unwrap().text;
    assert_eq!(text("select 1 ; -- done\n"), "select 1");
    assert_eq!(text("\n-- head\nselect 1 -- tail"), "\n-- head\nselect 1");
    assert_eq!(text("select 1;;\n;"), "select 1");
    assert_eq!(text("(select 1) limit 1;"), "(select 1) limit 1");
}

#[test]
fn what_is_no_query() {
    for (text, message, at) in [
        ("", "the query is empty", ""),
        (" \n", "the query is empty", ""),
        ("-- nothing", "the query is empty", "-- nothing"),
        (";", "the query is empty", ";"),
        ("select 1; select 2", "a second statement begins here", "select 2"),
        ("create table x ()", "a mart's query is a SELECT, VALUES or TABLE, not CREATE", "create"),
        ("insert into a values (1)", "a mart's query is a SELECT, VALUES or TABLE, not INSERT", "insert"),
        ("with x as (select 1) delete from a", "a mart's query is a SELECT, VALUES or TABLE, not DELETE", "delete"),
        ("explain select 1", "a mart's query is a SELECT, VALUES or TABLE, not EXPLAIN", "explain"),
        ("begin; select 1", "a mart's query is a SELECT, VALUES or TABLE, not BEGIN", "begin"),
        (
            "with x as (insert into a values (1) returning *) select * from x",
            "a mart's query must not change data, as INSERT does",
            "insert into a values (1) returning *",
        ),
        (
            "with x as (delete from a returning *) select * from x",
            "a mart's query must not change data, as DELETE does",
            "delete from a returning *",
        ),
        (
            "with x as (update a set b = 1 returning *) select * from x",
            "a mart's query must not change data, as UPDATE does",
            "update a set b = 1 returning *",
        ),
        ("select * into b from a", "a mart's query must not be a SELECT INTO", "into b"),
        (
            "select * from a for update of a skip locked",
            "a mart's query must not lock rows",
            "for update of a skip locked",
        ),
        ("select * from (select * from a for key share) x", "a mart's query must not lock rows", "for key share"),
        ("select * from a where x = $1", "a mart's query has no parameters", "$1"),
        ("select * from", "syntax error: expected from item, got the end of the query", "from"),
        ("select 'abc", "syntax error: missing trailing `'` symbol to terminate the string literal", "'abc"),
    ] {
        let error = error(text);
        assert_eq!((error.message.as_str(), &text[error.span.clone()]), (message, at), "{text}");
    }
    assert!(error(&"(".repeat(100_000)).message.contains("nested"));
}

#[test]
fn rewrites_what_is_asked_for() {
    for (text, expected) in [
        ("select t.a from t", "select t.a from s.\"New\" AS t"),
        ("select o.a from t o, u", "select o.a from s.\"New\" o, u"),
        ("select a from public.t where public.t.a > 1", "select a from s.\"New\" AS t where t.a > 1"),
        ("select public.t.* from t", "select t.* from s.\"New\" AS t"),
        ("select public.t.a, public.t(1) from u", "select public.t.a, public.t(1) from u"),
        ("table t;", "SELECT * FROM s.\"New\" AS t"),
        ("select 1 union table only t order by 1", "select 1 union SELECT * FROM only s.\"New\" AS t order by 1"),
        ("select * from only (t), t * x, t*", "select * from only (s.\"New\") AS t, s.\"New\" * x, s.\"New\"* AS t"),
        ("select * from only (t) x", "select * from only (s.\"New\") x"),
        ("select * from t tablesample system (1)", "select * from s.\"New\" AS t tablesample system (1)"),
        ("with t as (select * from t) select * from t", "with t as (select * from s.\"New\" AS t) select * from t"),
        ("select 1 -- t\nfrom t -- t", "select 1 -- t\nfrom s.\"New\" AS t"),
    ] {
        assert_eq!(rewrite(text, "t"), expected, "{text}");
    }
    assert_eq!(rewrite("select * from \"T x\"", "T x"), "select * from s.\"New\" AS \"T x\"");
}

#[test]
fn namesakes_of_two_schemas_stay_apart() {
    let query = Query::parse("select a.t.x, b.t.y from a.t, b.t").unwrap();
    let new = query.rewrite(|r| (r.schema.as_deref() == Some("a")).then(|| QName::new("s", "n")));
    assert_eq!(new, "select \"a.t\".x, b.t.y from s.n AS \"a.t\", b.t");
}

#[test]
fn large_queries_do_no_harm() {
    let deep = format!("select {}1{}", "(".repeat(199), ")".repeat(199));
    assert_eq!(reads(&deep), "");
    let long = format!("select {}1 from t", "1 + ".repeat(5_000));
    assert_eq!(reads(&long), "t");
    let nots = format!("select {} true", "not ".repeat(100));
    assert_eq!(reads(&nots), "");
}
