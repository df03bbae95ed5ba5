//! Rows of a table mart whose key may have changed, written in one statement: only those that differ.

use super::merge::key;
use super::statement::{differ, image, same_key};
use crate::catalog::Relation;
use crate::state::{quote_ident, quote_idents};

/// Which rows are computed, and which rows of the mart they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrow {
    /// The query that gives them, with the mart's columns; perhaps with parameters.
    pub query: String,
    /// A condition on the mart's rows, named `m`, with the same parameters: those that are not given again go.
    pub within: String,
    /// A weaker one, of single columns, which holds for every row that the query gives: an index may serve it.
    pub among: String,
}

/// The statement that makes the mart's rows within those of the query. It gives back how many were inserted, updated and deleted.
pub fn write_within(live: &Relation, narrow: &Narrow) -> String {
    match key(live) {
        Some(key) => by_key(live, narrow, &key),
        None => by_rows(live, narrow),
    }
}

/// The statement that only computes the rows: what the planner thinks of it, in one process as of the whole, is told in half of the
/// time.
pub fn compute_within(live: &Relation, narrow: &Narrow) -> String {
    format!("INSERT INTO {} ({})\n{}", live.name, columns(live), narrow.query.trim())
}

/// Computes the rows by a statement of its own and keeps them in a table of the session: that statement, which rows are written then,
/// with the same parameters, and the statement that forgets the table. What only computes may be planned for several processes.
pub fn aside(narrow: &Narrow) -> (String, Narrow, &'static str) {
    let compute = format!("CREATE TEMPORARY TABLE datamart_rows AS\n{}", narrow.query.trim());
    let computed = Narrow { query: "SELECT * FROM pg_temp.datamart_rows".to_owned(), ..narrow.clone() };
    (compute, computed, "DROP TABLE pg_temp.datamart_rows")
}

/// The same in two statements, for rows that exchange values of a unique index: what differs goes before anything comes.
/// Each gives back how many rows it wrote.
pub fn write_apart(live: &Relation, narrow: &Narrow) -> Option<[String; 2]> {
    let key = key(live)?;
    let (name, new, same) = (&live.name, new(narrow), same_key(&key));
    let (columns, values) = (columns(live), values(live));
    Some([
        format!(
            "{new} DELETE FROM {name} AS m WHERE {} AND NOT EXISTS (SELECT FROM n WHERE {same} AND NOT {})",
            narrow.within,
            differ(&live.columns)
        ),
        format!(
            "{new} INSERT INTO {name} ({columns}) SELECT {values} FROM n WHERE NOT EXISTS (SELECT FROM {name} AS m WHERE {same})"
        ),
    ])
}

fn new(narrow: &Narrow) -> String {
    format!("WITH n AS MATERIALIZED (\n{}\n)", narrow.query.trim())
}

fn columns(live: &Relation) -> String {
    quote_idents(live.columns.iter().map(|column| &column.name))
}

fn values(live: &Relation) -> String {
    let values: Vec<String> = live.columns.iter().map(|column| format!("n.{}", quote_ident(&column.name))).collect();
    values.join(", ")
}

const COUNTS: &str = "SELECT (SELECT count(*) FROM datamart_came) AS inserted, (SELECT count(*) FROM datamart_changed) AS updated, \
                      (SELECT count(*) FROM datamart_went) AS deleted";

fn by_key(live: &Relation, narrow: &Narrow, key: &[String]) -> String {
    // How many rows the query gives, the planner cannot tell; where the mart has them, the keys tell.
    let (name, same) = (&live.name, same_key(key));
    let there = format!("{same} AND {}", narrow.among);
    let set: Vec<String> = live
        .columns
        .iter()
        .filter(|column| !key.contains(&column.name))
        .map(|column| quote_ident(&column.name))
        .map(|column| format!("{column} = n.{column}"))
        .collect();
    let changed = match set.is_empty() {
        true => "SELECT 1 WHERE false".to_owned(),
        false => {
            format!(
                "UPDATE {name} AS m SET {} FROM n WHERE {there} AND {} RETURNING 1",
                set.join(", "),
                differ(&live.columns)
            )
        }
    };
    format!(
        "{},\ndatamart_went AS (DELETE FROM {name} AS m WHERE {} AND NOT EXISTS (SELECT FROM n WHERE {same}) RETURNING 1),\n\
         datamart_changed AS ({changed}),\n\
         datamart_came AS (INSERT INTO {name} ({}) SELECT {} FROM n \
         WHERE NOT EXISTS (SELECT FROM {name} AS m WHERE {there}) RETURNING 1)\n{COUNTS}",
        new(narrow),
        narrow.within,
        columns(live),
        values(live),
    )
}

/// Without a key, as multisets of rows: what is there too often goes, and once all of that went what is missing comes. There may be a
/// unique index all the same, on columns that may be null.
fn by_rows(live: &Relation, narrow: &Narrow) -> String {
    let name = &live.name;
    format!(
        "{new},\nhave AS MATERIALIZED (SELECT m.tableoid AS \"datamart table\", m.ctid AS \"datamart at\", {have} AS image, \
         row_number() OVER (PARTITION BY {have}) AS nth FROM {name} AS m WHERE {within}),\n\
         want AS MATERIALIZED (SELECT n.*, {want} AS \"datamart image\", row_number() OVER (PARTITION BY {want}) AS \"datamart nth\" FROM n),\n\
         datamart_went AS (DELETE FROM {name} AS t USING have \
         LEFT JOIN (SELECT \"datamart image\" AS image, count(*) AS times FROM want GROUP BY 1) AS w USING (image) \
         WHERE t.tableoid = have.\"datamart table\" AND t.ctid = have.\"datamart at\" AND have.nth > coalesce(w.times, 0) RETURNING 1),\n\
         datamart_changed AS (SELECT 1 WHERE false),\n\
         datamart_came AS (INSERT INTO {name} ({columns}) SELECT {values} FROM want AS n \
         LEFT JOIN (SELECT image, count(*) AS times FROM have GROUP BY 1) AS h ON h.image = n.\"datamart image\" \
         WHERE n.\"datamart nth\" > coalesce(h.times, 0) AND (SELECT count(*) FROM datamart_went) >= 0 RETURNING 1)\n{COUNTS}",
        new = new(narrow),
        have = image("m", &live.columns),
        want = image("n", &live.columns),
        within = narrow.within,
        columns = columns(live),
        values = values(live),
    )
}
