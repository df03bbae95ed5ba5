use proptest::prelude::*;
use squawk_syntax::SourceFile;

use super::{layout, tokens};
use crate::sql::Query;

/// Queries as PostgreSQL prints them, and as it never does.
const SAMPLES: &[&str] = &[
    " SELECT count(*) AS count\n   FROM orders;",
    " SELECT DISTINCT ON (c.region) c.region,\n        CASE\n            WHEN sum(o.amount) > 100::numeric THEN 'big'::text\n            \
     WHEN sum(o.amount) > 50::numeric AND c.region IS NOT NULL OR c.region = 'x'::text THEN\n            CASE\n                \
     WHEN c.region ~ '\\d+'::text THEN 'a'::text\n                ELSE 'b'::text\n            END\n            \
     ELSE 'small''s\n   line'::text\n        END AS k,\n    array_agg(o.id ORDER BY o.day DESC NULLS LAST, o.id) AS ids,\n    \
     ((c.name || ' '::text) || c.region) || COALESCE(o.note, 'a constant that is long enough to fill a line'::text) AS \"Long; name\"\n   \
     FROM orders o\n     JOIN customers c ON c.id = o.customer_id AND (c.region = ANY (ARRAY['a'::text, 'bbbbbbbbbb'::text, \
     'cccccccccc'::text, 'dddddddddd'::text, 'eeeeeeeeee'::text, 'ffffffffff'::text, 'gggggggggg'::text]))\n     \
     LEFT JOIN LATERAL ( SELECT 1 AS one,\n            t.n\n           FROM t\n          WHERE t.n = o.id\n         LIMIT 1) l ON true\n     \
     CROSS JOIN x\n  WHERE o.amount > 1::numeric AND (o.note ~~ '%x%'::text OR (EXISTS ( SELECT 1\n           FROM customers c2\n          \
     WHERE c2.id = c.id AND c2.region IS NOT NULL AND c2.name <> 'something'::text))) AND NOT (o.id IN ( SELECT customers.id\n           \
     FROM customers))\n  GROUP BY c.region, o.note, ROLLUP(c.name, c.id)\n HAVING count(*) > 1\n  WINDOW w AS (PARTITION BY c.region)\n  \
     ORDER BY c.region, 2 DESC\n OFFSET 3\n LIMIT 10;",
    " WITH RECURSIVE t(n) AS (\n         VALUES (1)\n        UNION ALL\n         SELECT t_1.n + 1\n           FROM t t_1\n          \
     WHERE t_1.n < 100\n        ), x AS MATERIALIZED (\n         SELECT o.customer_id,\n            sum(o.amount) FILTER (WHERE o.day > \
     '2020-01-01'::date) OVER (PARTITION BY o.customer_id, (date_trunc('month'::text, o.day::timestamp with time zone)) ORDER BY o.day \
     ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS s\n           FROM orders o\n        )\n SELECT x.s,\n    t.n\n   FROM x,\n    t;",
    " SELECT 'a'::text AS k,\n    1 AS v\nUNION ALL\n SELECT 'b'::text AS k,\n    2 AS v\nEXCEPT\n( SELECT customers.name AS k,\n    \
     customers.id AS v\n   FROM customers\n  ORDER BY customers.id\n LIMIT 1)\n  ORDER BY 1;",
    " VALUES (1,'a'::text), (2,'b'::text);",
    "TABLE only s.x order by 1 limit 3",
    "SELECT a.\"b\"\"c\", U&'d\\0061' UESCAPE '!', E'\\n''x', $q$ a;  b\n  c $q$, B'01', x'ff', -a.b, a <-> -1, a::numeric(10,2)[] , (r).f, t.*",
    "SELECT 'a'\n  'b', -- the first\n  /* a note */ c, -- the last\n-- of all\n  d /* over\n    two lines */\nFROM t -- where from\n;",
    "select*from(select 1)a(b)where b in(1,2)and not exists(select from c where(d)or(e))order by(1)",
    "SELECT a FROM ROWS FROM (f(1), g(2)) WITH ORDINALITY r(a, b), XMLTABLE('/r' PASSING x COLUMNS id integer PATH '@id') v",
    "SELECT grouping(a), percentile_cont(0.5) WITHIN GROUP (ORDER BY b) FROM t JOIN (u JOIN v USING (a) AS w) ON t.a = u.a GROUP BY GROUPING SETS ((a), (b, c), ()) FETCH FIRST 3 ROWS WITH TIES",
];

fn same_tokens(before: &str, after: &str) -> bool {
    tokens(&SourceFile::parse(before).syntax_node()).eq(tokens(&SourceFile::parse(after).syntax_node()))
}

#[test]
fn nothing_is_lost_and_nothing_changes_twice() {
    for text in SAMPLES {
        assert!(Query::parse(text).is_ok(), "{text}: {:?}", Query::parse(text).err());
        let once = layout(text);
        assert!(same_tokens(text, &once), "{text}\n{once}");
        assert_eq!(layout(&once), once);
        assert!(once.lines().all(|line| line.chars().count() <= 120), "{once}");
    }
}

#[test]
fn a_query_as_people_write_it() {
    insta::assert_snapshot!(layout(SAMPLES[1]), @r#"
    SELECT DISTINCT ON (c.region)
        c.region,
        CASE
            WHEN sum(o.amount) > 100::numeric THEN 'big'::text
            WHEN sum(o.amount) > 50::numeric AND c.region IS NOT NULL OR c.region = 'x'::text
                THEN CASE WHEN c.region ~ '\d+'::text THEN 'a'::text ELSE 'b'::text END
            ELSE 'small''s
       line'::text
        END AS k,
        array_agg(o.id ORDER BY o.day DESC NULLS LAST, o.id) AS ids,
        ((c.name || ' '::text) || c.region)
            || COALESCE(o.note, 'a constant that is long enough to fill a line'::text) AS "Long; name"
    FROM orders o
    JOIN customers c ON c.id = o.customer_id
        AND (
            c.region = ANY (
                ARRAY[
                    'a'::text, 'bbbbbbbbbb'::text, 'cccccccccc'::text, 'dddddddddd'::text, 'eeeeeeeeee'::text,
                    'ffffffffff'::text, 'gggggggggg'::text
                ]
            )
        )
    LEFT JOIN LATERAL (SELECT 1 AS one, t.n FROM t WHERE t.n = o.id LIMIT 1) l ON true
    CROSS JOIN x
    WHERE o.amount > 1::numeric
        AND (
            o.note ~~ '%x%'::text
            OR (
                EXISTS (
                    SELECT 1
                    FROM customers c2
                    WHERE c2.id = c.id AND c2.region IS NOT NULL AND c2.name <> 'something'::text
                )
            )
        )
        AND NOT (o.id IN (SELECT customers.id FROM customers))
    GROUP BY c.region, o.note, ROLLUP(c.name, c.id)
    HAVING count(*) > 1
    WINDOW w AS (PARTITION BY c.region)
    ORDER BY c.region, 2 DESC
    OFFSET 3
    LIMIT 10
    "#);
    insta::assert_snapshot!(layout(SAMPLES[2]), @r#"
    WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT t_1.n + 1 FROM t t_1 WHERE t_1.n < 100),
    x AS MATERIALIZED (
        SELECT
            o.customer_id,
            sum(o.amount) FILTER (WHERE o.day > '2020-01-01'::date) OVER (
                PARTITION BY o.customer_id, (date_trunc('month'::text, o.day::timestamp with time zone))
                ORDER BY o.day
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS s
        FROM orders o
    )
    SELECT
        x.s,
        t.n
    FROM x, t
    "#);
    insta::assert_snapshot!(layout(SAMPLES[3]), @r#"
    SELECT 'a'::text AS k, 1 AS v
    UNION ALL
    SELECT 'b'::text AS k, 2 AS v
    EXCEPT
    (
        SELECT
            customers.name AS k,
            customers.id AS v
        FROM customers
        ORDER BY customers.id
        LIMIT 1
    )
    ORDER BY 1
    "#);
}

#[test]
fn what_is_short_stays_together() {
    assert_eq!(layout(SAMPLES[0]), "SELECT count(*) AS count FROM orders");
    assert_eq!(layout(SAMPLES[4]), "VALUES (1, 'a'::text), (2, 'b'::text)");
}

#[test]
fn comments_keep_their_lines() {
    insta::assert_snapshot!(layout(SAMPLES[7]), @r#"
    SELECT
        'a'
        'b', -- the first
        /* a note */
        c, -- the last
        -- of all
        d /* over
        two lines */
    FROM t -- where from
    "#);
}

#[test]
fn what_is_no_query_loses_its_indentation_only() {
    let text = " SELECT 'x\n   y'\n   FRM t WHERE (\n     a)\n   FOR;\n";
    assert_eq!(layout(text), "SELECT 'x\n   y'\nFRM t WHERE (\n  a)\nFOR;");
    assert_eq!(layout("  SELECT 1 FROM t\n FOR UPDATE;"), "SELECT 1 FROM t\nFOR UPDATE;");
    let deep = format!("SELECT {}1", "1 OR ".repeat(2_000));
    assert_eq!(layout(&deep), deep);
}

/// A query with other white space: where there was some there is some, and perhaps where there was none.
fn mangled() -> impl Strategy<Value = (String, String)> {
    let blanks = proptest::collection::vec(prop_oneof![" ", "\n", "\n   \t", "  "], 200);
    (0..SAMPLES.len(), blanks).prop_map(|(i, blanks)| {
        let root = SourceFile::parse(SAMPLES[i]).syntax_node();
        let mut blanks = blanks.into_iter().cycle();
        let mut out = String::new();
        for token in root.descendants_with_tokens().filter_map(|element| element.into_token()) {
            let text = token.text();
            let is_blank = text.trim().is_empty();
            // A new line ends a comment and holds string constants together.
            let blank = if text.contains('\n') { "\n".to_owned() } else { blanks.next().unwrap_or_default() };
            match text {
                _ if is_blank => out.push_str(&blank),
                "(" => out.push_str(&format!("({blank}")),
                ")" => out.push_str(&format!("{blank})")),
                "," => out.push_str(&format!("{blank},{blank}")),
                text => out.push_str(text),
            }
        }
        (SAMPLES[i].to_owned(), out)
    })
}

proptest! {
    #[test]
    fn white_space_does_not_matter((text, mangled) in mangled()) {
        let once = layout(&mangled);
        prop_assert!(same_tokens(&text, &once), "{}", once);
        prop_assert_eq!(&layout(&once), &once);
        if !text.contains("--") && Query::parse(&mangled).is_ok() {
            prop_assert_eq!(once, layout(&text));
        }
    }
}
