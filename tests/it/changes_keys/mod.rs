//! Whether the keys that are derived from queries are right, by brute force: random changes, and what they really changed.

mod below;
mod moving;
mod refused;
mod shapes;
mod spans;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use datamart::compile::compile;
use datamart::sql::changes::{self, Shape};
use datamart::state::{Changes, QName, quote_ident, quote_literal};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project;
use shapes::{SHAPES, TABLES};

const NAMES: [&str; 6] = ["orders", "customers", "lines", "products", "shops", "sales"];

/// How often everything changes; more by `DATAMART_ROUNDS`.
fn rounds() -> u32 {
    std::env::var("DATAMART_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(12)
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    /// A small number, or sometimes NULL.
    fn number(&mut self) -> String {
        match self.roll(7) {
            0 => "NULL".into(),
            number => number.to_string(),
        }
    }

    fn word(&mut self) -> String {
        ["NULL", "'a'", "'b'", "'A'", "'x y'"][self.roll(5) as usize].into()
    }

    /// Around where the clocks go back, among others.
    fn moment(&mut self) -> String {
        match self.roll(9) {
            0 => "NULL".into(),
            1 => "'infinity'".into(),
            at => format!("'2024-10-26 20:00Z'::timestamptz + interval '{} minutes'", at * 37 + self.roll(3) * 720),
        }
    }

    fn date(&mut self) -> String {
        match self.roll(6) {
            0 => "NULL".into(),
            day => format!("'2024-10-26'::date + {}", day * 3),
        }
    }

    fn row(&mut self, table: &str) -> Vec<(&'static str, String)> {
        match table {
            "orders" => vec![
                ("id", self.number()),
                ("c_id", self.number()),
                ("at", self.moment()),
                ("day", self.date()),
                ("amount", self.number()),
                ("kind", self.word()),
                ("tags", ["NULL", "'{}'", "'{a}'", "'{a,b,a}'", "'{NULL,c}'"][self.roll(5) as usize].into()),
            ],
            "customers" => vec![
                ("id", self.number()),
                ("region", self.word()),
                ("active", ["NULL", "true", "false"][self.roll(3) as usize].into()),
                ("vip", self.number()),
            ],
            "lines" => {
                vec![("o_id", self.number()), ("n", self.number()), ("p_id", self.number()), ("qty", self.number())]
            }
            "products" => vec![("id", self.number()), ("name", self.word()), ("price", self.number())],
            "shops" => vec![
                ("id", (self.roll(6) + 1).to_string()),
                ("name", format!("coalesce({}, 'none')", self.word())),
                ("region", self.word()),
            ],
            _ => vec![("shop", self.number()), ("day", self.date()), ("amount", self.number()), ("code", self.word())],
        }
    }

    fn insert(&mut self, table: &str) -> String {
        let (columns, values): (Vec<_>, Vec<_>) = self.row(table).into_iter().unzip();
        let end = if table == "shops" { " ON CONFLICT (id) DO UPDATE SET name = excluded.name" } else { "" };
        format!("INSERT INTO {table} ({}) VALUES ({}){end};", columns.join(", "), values.join(", "))
    }

    /// A change of a few rows.
    fn change(&mut self, table: &str) -> String {
        let some = format!("ctid = ANY (ARRAY(SELECT ctid FROM {table} ORDER BY random() LIMIT {}))", self.roll(2) + 1);
        match self.roll(5) {
            0 | 1 => self.insert(table),
            2 => format!("DELETE FROM {table} WHERE {some};"),
            _ => {
                let row = self.row(table);
                let columns = row.len() as u64;
                let (column, value) = row[self.roll(columns) as usize].clone();
                if (table, column) == ("shops", "id") {
                    return self.insert(table);
                }
                format!("UPDATE {table} SET {column} = {value} WHERE {some};")
            }
        }
    }
}

/// What is derived for each query, from the server's own text.
async fn derived(database: &Database, queries: &[(&str, &str)]) -> BTreeMap<String, Changes> {
    let folder = Folder::of(&[]);
    for (name, query) in queries {
        let text = format!(
            "type = \"table\"\nquery = '''{query}'''\n[refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"changes\"\n"
        );
        folder.write(&format!("{name}.toml"), &text);
    }
    let desired = project::load(folder.path());
    let mut conn = database.session().await;
    let marts: Vec<_> = desired.marts.iter().collect();
    let compiled = compile(&mut conn, &marts, 3_000).await.unwrap_or_else(|error| panic!("{error:#?}"));
    let changes = compiled.marts.into_iter().map(|(name, is)| (name.name, is.changes.expect("a key")));
    changes.collect()
}

async fn execute(conn: &mut PgConnection, sql: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *conn).await {
        panic!("{error}\nin {sql}");
    }
}

async fn texts(conn: &mut PgConnection, sql: &str) -> Vec<Option<String>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut *conn).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}\nin {sql}"));
    let row = &rows[0];
    (0..row.len()).map(|at| row.try_get_unchecked::<Option<String>, _>(at).expect("a text")).collect()
}

/// Old and new images of rows, as the logs of changes have them.
fn logs() -> String {
    let mut sql = String::from(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF TG_OP <> 'INSERT' THEN EXECUTE format('INSERT INTO log_%I SELECT ($1).*', TG_TABLE_NAME) USING OLD; END IF;
           IF TG_OP <> 'DELETE' THEN EXECUTE format('INSERT INTO log_%I SELECT ($1).*', TG_TABLE_NAME) USING NEW; END IF;
           RETURN NULL; END $$;",
    );
    for table in NAMES {
        let _ = write!(
            sql,
            "CREATE TABLE log_{table} (LIKE {table});
             CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION note();"
        );
    }
    sql
}

fn same(changes: &Changes, one: &str, other: &str) -> String {
    let names = changes.key.iter().map(|key| quote_ident(&key.name));
    names.map(|name| format!("{one}.{name} IS NOT DISTINCT FROM {other}.{name}")).collect::<Vec<_>>().join(" AND ")
}

/// The rows of one relation or query that another one has not as often, and the other way round.
fn differences(one: &str, other: &str) -> String {
    format!(
        "((SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other}) UNION ALL (SELECT * FROM {other} EXCEPT ALL SELECT * FROM {one}))"
    )
}

/// The restricted query with its parameters written into it.
async fn restricted(conn: &mut PgConnection, changes: &Changes, keys: &str) -> Option<String> {
    let count = changes.key.len();
    let cast: Vec<String> = (1..=count).map(|i| format!("null{i}::text, value{i}::text")).collect();
    let side: Vec<String> = (1..=count).filter(|_| count > 1).map(|i| format!("key{i}::text")).collect();
    let columns = [&["keys::text".to_owned()], &cast[..], &side[..]].concat().join(", ");
    let found = texts(conn, &format!("SELECT {columns} FROM ({}) AS g", changes::gathered(changes, keys))).await;
    if found[0].as_deref() == Some("0") {
        return None;
    }
    let empty = || "{}".to_owned();
    let mut shape = Shape::default();
    let mut parameters: Vec<String> = Vec::new();
    for at in 0..count {
        shape.nulls.push(found[1 + 2 * at].as_deref() == Some("true"));
        parameters.push(found[2 + 2 * at].clone().unwrap_or_else(empty));
    }
    let values = parameters.clone();
    parameters.extend(found[1 + 2 * count..].iter().map(|array| array.clone().unwrap_or_else(empty)));
    for (at, array) in values.iter().enumerate() {
        let Some(query) = changes::ranges(changes, at, &quote_literal(array)) else {
            shape.ranges.push(0);
            continue;
        };
        let found =
            texts(conn, &format!("SELECT cardinality(low)::text, low::text, high::text FROM ({query}) AS r")).await;
        shape.ranges.push(found[0].as_ref().and_then(|count| count.parse().ok()).unwrap_or(0));
        if shape.ranges[at] > 0 {
            parameters.extend(found[1..].iter().map(|array| array.clone().unwrap_or_else(empty)));
        }
    }
    let mut query = changes::restricted(changes, &shape);
    for (at, value) in parameters.iter().enumerate().rev() {
        query = query.replace(&format!("${}", at + 1), &quote_literal(value));
    }
    assert!(!query.contains('$'), "{query}");
    Some(query)
}

/// What is wrong with one query after a round of changes.
async fn wrong(conn: &mut PgConnection, name: &str, changes: &Changes, pending: &[&str]) -> Option<String> {
    let table = |name: &str| QName::new("public", name);
    let numbers: Vec<usize> = (0..changes.sources.len())
        .filter(|number| pending.iter().any(|name| changes.sources[*number].table == table(name)))
        .collect();
    let delta = |number: usize| format!("log_{}", changes.sources[number].table.name);
    let different = differences(&format!("before_{name}"), &format!("after_{name}"));
    if numbers.is_empty() {
        let count = texts(conn, &format!("SELECT count(*)::text FROM {different} AS d")).await;
        return (count[0].as_deref() != Some("0")).then(|| format!("{name}: changed without a source"));
    }
    let affected = changes::affected(changes, &numbers, delta)?;
    let missing = format!(
        "SELECT count(*)::text, (array_agg(d::text))[1] FROM {different} AS d WHERE NOT EXISTS (SELECT FROM ({affected}) AS a WHERE {})",
        same(changes, "a", "d")
    );
    let found = texts(conn, &missing).await;
    if found[0].as_deref() != Some("0") {
        return Some(format!(
            "{name}: {} rows changed outside of the keys, such as {:?}\n{affected}",
            found[0].as_deref()?,
            found[1]
        ));
    }
    // Some keys more do no harm.
    let names: Vec<String> = changes.key.iter().map(|key| quote_ident(&key.name)).collect();
    let names = names.join(", ");
    let more = format!("{affected} UNION (SELECT {names} FROM after_{name} ORDER BY random() LIMIT 2)");
    execute(conn, &format!("DROP TABLE IF EXISTS wanted; CREATE TEMP TABLE wanted AS {more}")).await;
    let query = restricted(conn, changes, "SELECT * FROM wanted").await?;
    let filtered = format!(
        "(SELECT * FROM after_{name} AS f WHERE EXISTS (SELECT FROM wanted AS w WHERE {}))",
        same(changes, "w", "f")
    );
    let different = differences(&format!("({query}) AS one"), &format!("{filtered} AS other"));
    let found = texts(conn, &format!("SELECT count(*)::text, (array_agg(d::text))[1] FROM {different} AS d")).await;
    if found[0].as_deref() != Some("0") {
        return Some(format!(
            "{name}: {} rows differ when restricted, such as {:?}\n{query}",
            found[0].as_deref()?,
            found[1]
        ));
    }
    spans::wrong(conn, name, changes).await
}

#[test]
fn affected_keys_are_all_there() {
    run(async {
        let database = Database::new().await;
        database.script(TABLES).await;
        let all = derived(&database, SHAPES).await;
        assert_eq!(all.len(), SHAPES.len());
        database.script(&logs()).await;
        let mut conn = database.session().await;
        // Where the clocks change at midnight, days are ranges of odd lengths.
        execute(&mut conn, "SET search_path = public; SET TimeZone = 'Atlantic/Azores'; SELECT setseed(0.5)").await;
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        for table in NAMES {
            for _ in 0..14 {
                let insert = dice.insert(table);
                execute(&mut conn, &insert).await;
            }
        }
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for round in 0..rounds() {
            let mut sql = String::new();
            for (name, query) in SHAPES {
                let _ = write!(
                    sql,
                    "DROP TABLE IF EXISTS before_{name}, after_{name}; CREATE TEMP TABLE before_{name} AS {query};"
                );
            }
            execute(&mut conn, &sql).await;
            execute(&mut conn, &format!("TRUNCATE {}", NAMES.map(|name| format!("log_{name}")).join(", "))).await;
            let pending: Vec<&str> = match round % 3 {
                0 => vec![NAMES[dice.roll(6) as usize]],
                1 => NAMES.iter().copied().filter(|_| dice.roll(2) == 0).collect(),
                _ => NAMES.to_vec(),
            };
            for table in &pending {
                for _ in 0..=dice.roll(4) {
                    let change = dice.change(table);
                    execute(&mut conn, &change).await;
                }
            }
            let mut sql = String::new();
            for (name, query) in SHAPES {
                let _ = write!(sql, "CREATE TEMP TABLE after_{name} AS {query};");
            }
            execute(&mut conn, &sql).await;
            for (name, changes) in &all {
                if !found.contains_key(name)
                    && let Some(told) = wrong(&mut conn, name, changes, &pending).await
                {
                    found.insert(name.clone(), format!("round {round}: {told}"));
                }
            }
        }
        assert!(found.is_empty(), "{}", found.into_values().collect::<Vec<_>>().join("\n\n"));
    });
}

#[test]
fn most_sources_lead_to_the_key() {
    run(async {
        let database = Database::new().await;
        database.script(TABLES).await;
        let mut anything = Vec::new();
        for (name, changes) in derived(&database, SHAPES).await {
            for source in changes.sources.iter().filter(|source| source.affected.is_none()) {
                anything.push(format!("{name}: {}", source.table.name));
            }
        }
        insta::assert_snapshot!(anything.join("\n"), @r#"
    aggregate_join: sales
    left_odd_chain: products
    uncorrelated: sales
    uncorrelated_from: sales
    "#);
    });
}
