//! The queries of random views.

use datamart::state::quote_ident;

use super::Mart;
use super::relations::{Column, Relation, column_name, pick, word};
use super::vocabulary::{BIGINT, BOOL, INT, JSONB, TEXT, TYPES, VARCHAR};

/// A query's text and what it gives.
pub struct Query {
    pub text: String,
    pub columns: Vec<Column>,
    pub empty: bool,
}

/// What stands between SELECT and FROM.
struct List {
    items: Vec<String>,
    columns: Vec<Column>,
}

impl List {
    fn push(&mut self, text: &str, of: usize, called: u8) {
        let name = column_name(&self.columns, called);
        self.items.push(format!("{text} AS {}", quote_ident(&name)));
        self.columns.push((name, of));
    }

    fn text(&self) -> String {
        self.items.join(", ")
    }
}

/// The list of a mart: the key, and what is made of columns that stand at `from`.
fn list(mart: &Mart, key: &str, from: &[(String, usize)], whole: &str) -> List {
    let mut list = List { items: Vec::new(), columns: Vec::new() };
    list.push(key, INT, mart.clauses.1);
    for (of, made, called) in &mart.columns {
        let (column, of) = pick(from, *of);
        let (text, of) = expression(column, *of, *made, whole);
        list.push(&text, of, *called);
    }
    list
}

/// Something made of a column.
fn expression(column: &str, of: usize, made: u8, whole: &str) -> (String, usize) {
    let value = *pick(TYPES[of].values, made / 16);
    let other = *pick(TYPES[of].values, made / 16 + 1);
    let ordered = TYPES[of].ordered;
    match made % 16 {
        0 => (format!("COALESCE({column}, {value})"), of),
        1 => (format!("{column}::text"), TEXT),
        2 => (format!("CASE WHEN {column} IS NULL THEN {value} ELSE {column} END"), of),
        3 => (value.to_owned(), of),
        4 => (format!("{column} IS NOT NULL"), BOOL),
        5 if ordered => (format!("{column} IN ({value}, {other})"), BOOL),
        6 if ordered && !TYPES[of].name.ends_with(']') => (format!("{column} <> ALL (ARRAY[{value}, {other}])"), BOOL),
        7 if ordered => {
            (format!("({column} < {value} OR NOT {column} = {other} AND {column} IS DISTINCT FROM {value})"), BOOL)
        }
        8 => (format!("to_jsonb({whole})"), JSONB),
        9 => (format!("(SELECT {value} AS one WHERE {column} IS NOT NULL)"), of),
        10 if of == INT => (format!("({column} + 1) * - {column}"), INT),
        10 if of == TEXT || of == VARCHAR => (format!("upper({column} || 'x''' || '\\')"), TEXT),
        11 => (format!("jsonb_build_object('k', {column}, 'it''s', {value})"), JSONB),
        12 => (format!("NULL::{}", TYPES[of].name), of),
        13 if ordered => (format!("GREATEST({column}, {value})"), of),
        _ => (column.to_owned(), of),
    }
}

/// An alias for a relation, and its columns as the query names them.
fn read(relation: &Relation, alias: &str) -> Vec<(String, usize)> {
    relation.columns.iter().map(|(name, of)| (format!("{alias}.{}", quote_ident(name)), *of)).collect()
}

/// A query over `a` and perhaps `b`.
pub fn query(mart: &Mart, a: &Relation, b: &Relation) -> Query {
    let alias = quote_ident(word(&["t", "T", "t 1", "from t", "tü", "x\"y"], mart.clauses.1));
    let from_a = read(a, &alias);
    let source = format!("{} AS {alias}", a.name);
    let (key, of) = (from_a[0].0.clone(), pick(&from_a, mart.clauses.0));
    let plain = list(mart, &key, &from_a, &alias);
    let (condition, order) = (condition(mart, of), order(mart, &key));
    let done = |text: String, columns: Vec<Column>, empty| Query { text, columns, empty };
    match mart.shape % 12 {
        0 => {
            let columns = a.columns.clone();
            done(
                format!("SELECT * FROM {}{}", a.name, if mart.option.is_multiple_of(2) { "" } else { " ORDER BY 1" }),
                columns,
                a.empty,
            )
        }
        1 | 2 => {
            let other = quote_ident(word(&["u", "U", "u 1", "select u"], mart.clauses.1));
            let from_b = read(b, &other);
            let (kind, on) = match mart.clauses.2 % 5 {
                0 => ("CROSS JOIN", String::new()),
                1 => ("LEFT JOIN", format!(" ON {key} = {}", from_b[0].0)),
                2 => ("FULL JOIN", format!(" ON {key} = {}", from_b[0].0)),
                3 => ("JOIN LATERAL", format!(" ON {key} > 0")),
                _ => ("JOIN", format!(" ON {key} = {} AND {} > 1", from_b[0].0, from_b[0].0)),
            };
            let right = match kind {
                "JOIN LATERAL" => {
                    format!("(SELECT v.* FROM {} v WHERE v.{} <> {key})", b.name, quote_ident(&b.columns[0].0))
                }
                _ => b.name.clone(),
            };
            let all: Vec<_> = from_a.iter().chain(&from_b).cloned().collect();
            let both = list(mart, &key, &all, &other);
            done(
                format!("SELECT {} FROM {source} {kind} {right} AS {other}{on}", both.text()),
                both.columns,
                a.empty && b.empty,
            )
        }
        3 => grouped(mart, &source, &from_a, &condition),
        4 | 5 => union(mart, &plain, &format!("{source}{condition}")),
        6 => {
            let mut columns = plain;
            let window = format!("PARTITION BY {key} ORDER BY {key} DESC NULLS LAST");
            columns.push(
                &format!("row_number() OVER (w ROWS BETWEEN {} PRECEDING AND CURRENT ROW)", mart.option),
                BIGINT,
                3,
            );
            columns.push(&format!("count(*) FILTER (WHERE {key} > 2) OVER ({window})"), BIGINT, 4);
            done(
                format!("SELECT {} FROM {source}{condition} WINDOW w AS ({window})", columns.text()),
                columns.columns,
                a.empty,
            )
        }
        7 => {
            let q = quote_ident(word(&["q", "Q r"], mart.option));
            let first = quote_ident(&plain.columns[0].0);
            let inner = format!("SELECT {} FROM {source}{condition}{order}", plain.text());
            let exists =
                format!("EXISTS (SELECT FROM {} x WHERE x.{} = {q}.{first})", b.name, quote_ident(&b.columns[0].0));
            done(
                format!("SELECT * FROM ({inner}) AS {q} WHERE {exists} OR {q}.{first} IN (SELECT 1)"),
                plain.columns,
                a.empty,
            )
        }
        8 => {
            let materialized = pick(&["", "MATERIALIZED ", "NOT MATERIALIZED "], mart.option);
            let inner = format!("SELECT {} FROM {source}{condition}", plain.text());
            let steps = "n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)";
            let text = format!(
                "WITH RECURSIVE \"C t\" AS {materialized}({inner}), {steps} SELECT c.* FROM \"C t\" c JOIN n ON true"
            );
            done(text, plain.columns, a.empty)
        }
        9 => {
            let text =
                format!("SELECT DISTINCT ON ({key}) {} FROM {source}{condition} ORDER BY {key} DESC", plain.text());
            done(text, plain.columns, a.empty)
        }
        10 => {
            let rows = |n: u8| -> String {
                let items = plain.columns.iter().map(|(_, of)| *pick(TYPES[*of].values, n)).collect::<Vec<_>>();
                format!("({})", items.join(", "))
            };
            let names: Vec<String> = plain.columns.iter().map(|(name, _)| quote_ident(name)).collect();
            done(
                format!("SELECT * FROM (VALUES {}, {}) AS v ({})", rows(0), rows(1), names.join(", ")),
                plain.columns,
                false,
            )
        }
        _ => done(format!("SELECT {} FROM {source}{condition}{order}", plain.text()), plain.columns, a.empty),
    }
}

fn condition(mart: &Mart, (column, of): &(String, usize)) -> String {
    let value = *pick(TYPES[*of].values, mart.option);
    match mart.clauses.0 % 5 {
        0 => String::new(),
        1 if TYPES[*of].ordered => format!(" WHERE {column} >= {value}"),
        2 if TYPES[*of].ordered => format!(
            " WHERE {column} IN ({value}, {}) OR {column} IS NULL",
            pick(TYPES[*of].values, mart.option.wrapping_add(1))
        ),
        3 if *of == TEXT || *of == VARCHAR => format!(" WHERE {column} ILIKE '%\\_x''' AND length({column}) > 3"),
        _ => format!(" WHERE {column} IS NOT NULL"),
    }
}

fn order(mart: &Mart, key: &str) -> String {
    match mart.clauses.2 % 4 {
        0 => format!(" ORDER BY {key} DESC NULLS LAST LIMIT 10 OFFSET 1"),
        1 => " ORDER BY 1".to_owned(),
        2 => format!(" ORDER BY {key} FETCH FIRST 3 ROWS WITH TIES"),
        _ => String::new(),
    }
}

fn grouped(mart: &Mart, source: &str, from: &[(String, usize)], condition: &str) -> Query {
    let ordered: Vec<&(String, usize)> = from.iter().filter(|(_, of)| TYPES[*of].ordered).collect();
    let (by, by_type) = pick(&ordered, mart.clauses.1);
    let mut list = List { items: Vec::new(), columns: Vec::new() };
    list.push("count(*)::int", INT, mart.option);
    list.push(by, *by_type, mart.clauses.1);
    for (of, made, called) in &mart.columns {
        let (column, of) = pick(from, *of);
        let (text, of) = match made % 5 {
            0 => (format!("count(DISTINCT {column}::text)"), BIGINT),
            1 => (format!("string_agg({column}::text, ', ' ORDER BY {column}::text DESC)"), TEXT),
            2 => (format!("count({column}) FILTER (WHERE {column} IS NOT NULL) > 1"), BOOL),
            3 => (format!("(array_agg({column}))[1]"), of.to_owned()),
            _ => (format!("jsonb_agg({column})"), JSONB),
        };
        list.push(&text, of, *called);
    }
    let sets = match mart.clauses.2 % 3 {
        0 => format!("GROUP BY {by}"),
        1 => format!("GROUP BY ROLLUP ({by})"),
        _ => format!("GROUP BY GROUPING SETS (({by}), ()) HAVING count(*) > 0"),
    };
    Query {
        text: format!("SELECT {} FROM {source}{condition} {sets}", list.text()),
        columns: list.columns,
        empty: false,
    }
}

fn union(mart: &Mart, plain: &List, rest: &str) -> Query {
    let constants: Vec<&str> = plain.columns.iter().map(|(_, of)| *pick(TYPES[*of].values, mart.option)).collect();
    let nulls: Vec<String> = plain.columns.iter().map(|(_, of)| format!("NULL::{}", TYPES[*of].name)).collect();
    let ordered = plain.columns.iter().all(|(_, of)| TYPES[*of].ordered);
    let word = match mart.clauses.2 % 4 {
        0 if ordered => "UNION",
        1 if ordered => "EXCEPT",
        2 if ordered => "INTERSECT ALL",
        _ => "UNION ALL",
    };
    let first = format!("SELECT {} FROM {rest}", plain.text());
    let (second, third) = (format!("SELECT {}", constants.join(", ")), format!("SELECT {}", nulls.join(", ")));
    let text = match mart.option % 3 {
        0 => format!("{first} {word} {second}"),
        1 => format!("({first} LIMIT 5) {word} ({second} UNION ALL {third})"),
        _ => format!("{first} {word} {second} UNION ALL {third} ORDER BY 1"),
    };
    Query { text, columns: plain.columns.clone(), empty: false }
}
