//! From parameters to SQL: names are columns that exist, values are never text of a statement.

use std::collections::BTreeSet;

use super::problem::Problem;
use super::query::{Query, whole};
use crate::state::quote_ident;

/// Rows, where nobody says how many.
pub(super) const DEFAULT_LIMIT: i64 = 100;
/// Rows at most.
pub(super) const MAX_LIMIT: i64 = 10_000;
/// So many conditions at most.
const CONDITIONS: usize = 50;
/// So many values in one `in.(…)` at most.
const VALUES: usize = 1_000;
/// Names of parameters that are no columns.
const TAKEN: [&str; 4] = ["select", "order", "limit", "offset"];

/// A column of the mart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    /// Its type, as PostgreSQL prints it.
    pub shown: String,
    /// The same without lengths: `CAST` would cut values off.
    pub cast_to: String,
    /// The schema of its type, where its operators are.
    pub home: String,
    /// It is true or false.
    pub truth: bool,
    /// It is of a type of character strings.
    pub words: bool,
}

/// What is read, in SQL, with the values apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection<'a> {
    pub columns: Vec<&'a Column>,
    /// ` WHERE …`, or nothing.
    pub condition: String,
    /// ` ORDER BY …`, or nothing.
    pub order: String,
    pub limit: i64,
    pub offset: i64,
    /// The values, and the types they are cast to; `None` where they stay text.
    pub values: Vec<(String, Option<String>)>,
    /// Where the operators of the types are.
    pub path: BTreeSet<String>,
}

impl<'a> Selection<'a> {
    /// Reads the parameters of a request.
    ///
    /// # Errors
    /// 400 for a name that is no column, an operator nobody knows, a number out of bounds.
    pub fn read(query: &Query, columns: &'a [Column]) -> Result<Self, Problem> {
        let mut selection = Self {
            columns: chosen(query.one("select")?, columns)?,
            condition: String::new(),
            order: String::new(),
            limit: query.whole("limit", (0, MAX_LIMIT), DEFAULT_LIMIT)?,
            offset: query.one("offset")?.map_or(Ok(0), |text| whole("offset", text, (0, i64::MAX)))?,
            values: Vec::new(),
            path: BTreeSet::new(),
        };
        let filters = query.0.iter().filter(|(name, _)| !TAKEN.contains(&name.as_str()));
        let mut conditions = Vec::new();
        for (name, text) in filters {
            if conditions.len() == CONDITIONS {
                return Err(Problem::bad(format!("at most {CONDITIONS} conditions are read")));
            }
            let column = column(name, columns)?;
            conditions.push(selection.condition(column, text)?);
        }
        if !conditions.is_empty() {
            selection.condition = format!(" WHERE {}", conditions.join(" AND "));
        }
        if let Some(text) = query.one("order")? {
            let terms = split(text).into_iter().map(|term| selection.term(&term, columns));
            let terms: Vec<String> = terms.collect::<Result<_, _>>()?;
            selection.order = format!(" ORDER BY {}", terms.join(", "));
        }
        Ok(selection)
    }

    fn condition(&mut self, column: &Column, text: &str) -> Result<String, Problem> {
        let unknown = || {
            let known = "eq neq gt gte lt lte like ilike in is";
            Problem::bad(format!(
                "a condition on {} reads operator.value, with one of {known}; not {text:?}",
                column.name
            ))
        };
        let (operator, value) = text.split_once('.').ok_or_else(unknown)?;
        let name = format!("t.{}", quote_ident(&column.name));
        let comparison = match operator {
            "eq" => "=",
            "neq" => "<>",
            "gt" => ">",
            "gte" => ">=",
            "lt" => "<",
            "lte" => "<=",
            "like" | "ilike" if !column.words => {
                return Err(Problem::bad(format!(
                    "{} is {}, and {operator} compares text alone",
                    column.name, column.shown
                )));
            }
            "like" | "ilike" => {
                let value = self.value(value, None);
                return Ok(format!("CAST({name} AS pg_catalog.text) {} {value}", operator.to_uppercase()));
            }
            "in" => return self.among(column, &name, value),
            "is" => return is(column, &name, value),
            _ => return Err(unknown()),
        };
        self.path.insert(column.home.clone());
        Ok(format!("{name} {comparison} {}", self.value(value, Some(&column.cast_to))))
    }

    fn among(&mut self, column: &Column, name: &str, text: &str) -> Result<String, Problem> {
        let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
        let values: Vec<String> = split(inside).into_iter().map(|part| part.text).collect();
        if values.len() > VALUES {
            return Err(Problem::bad(format!("at most {VALUES} values are read in one condition")));
        }
        self.path.insert(column.home.clone());
        let values: Vec<String> = values.iter().map(|value| self.value(value, Some(&column.cast_to))).collect();
        Ok(format!("{name} IN ({})", values.join(", ")))
    }

    /// A value, as a parameter of its type.
    fn value(&mut self, value: &str, cast_to: Option<&str>) -> String {
        self.values.push((value.to_owned(), cast_to.map(str::to_owned)));
        placeholder(self.values.len(), cast_to)
    }

    /// `column`, `column.desc`, `column.desc.nullslast`.
    fn term(&mut self, part: &Part, columns: &'a [Column]) -> Result<String, Problem> {
        let words = |text: &str| -> Option<String> {
            let mut sql = String::new();
            for word in text.split('.').filter(|word| !word.is_empty()) {
                sql.push_str(match (word, sql.is_empty()) {
                    ("asc", true) => " ASC",
                    ("desc", true) => " DESC",
                    ("nullsfirst", _) if !sql.contains("NULLS") => " NULLS FIRST",
                    ("nullslast", _) if !sql.contains("NULLS") => " NULLS LAST",
                    _ => return None,
                });
            }
            Some(sql)
        };
        let (name, rest) = match part.quoted {
            true => (part.text.as_str(), part.rest.as_str()),
            // The name may have dots; what stands behind the first that leaves a column is how.
            false => {
                let whole = columns.iter().any(|column| column.name == part.text).then_some((part.text.as_str(), ""));
                whole.or_else(|| part.text.split_once('.')).unwrap_or((&part.text, ""))
            }
        };
        let column = column(name, columns)?;
        let how = words(rest).ok_or_else(|| {
            Problem::bad(format!(
                "order reads column, column.asc, column.desc, with .nullsfirst or .nullslast; not {rest:?}"
            ))
        })?;
        self.path.insert(column.home.clone());
        Ok(format!("t.{}{how}", quote_ident(&column.name)))
    }
}

/// How a value stands in a statement.
pub(super) fn placeholder(number: usize, cast_to: Option<&str>) -> String {
    match cast_to {
        Some(cast_to) => format!("CAST(${number}::pg_catalog.text AS {cast_to})"),
        None => format!("${number}::pg_catalog.text"),
    }
}

fn is(column: &Column, name: &str, value: &str) -> Result<String, Problem> {
    let word = match (value, column.truth) {
        ("null", _) => "NULL",
        ("not_null", _) => "NOT NULL",
        ("true", true) => "TRUE",
        ("false", true) => "FALSE",
        ("unknown", true) => "UNKNOWN",
        (_, true) => {
            return Err(Problem::bad(format!("is reads null, not_null, true, false or unknown; not {value:?}")));
        }
        (_, false) => {
            return Err(Problem::bad(format!(
                "{} is no boolean: is reads null or not_null; not {value:?}",
                column.name
            )));
        }
    };
    Ok(format!("{name} IS {word}"))
}

fn chosen<'a>(text: Option<&str>, columns: &'a [Column]) -> Result<Vec<&'a Column>, Problem> {
    let Some(text) = text.filter(|text| *text != "*") else { return Ok(columns.iter().collect()) };
    let mut chosen: Vec<&Column> = Vec::new();
    for part in split(text) {
        let found = column(&part.text, columns)?;
        if !part.rest.is_empty() || chosen.contains(&found) {
            return Err(Problem::bad(format!("select reads columns, each once: a,b; not {text:?}")));
        }
        chosen.push(found);
    }
    Ok(chosen)
}

/// The column of this name; in double quotes, where the name is also another parameter's.
fn column<'a>(name: &str, columns: &'a [Column]) -> Result<&'a Column, Problem> {
    let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).map(|name| name.replace("\"\"", "\""));
    let named = |wanted: &str| columns.iter().find(|column| column.name == wanted);
    named(name).or_else(|| named(&quoted?)).ok_or_else(|| {
        let distance =
            |column: &&Column| strsim::damerau_levenshtein(&column.name.to_lowercase(), &name.to_lowercase());
        let near =
            columns.iter().min_by_key(distance).filter(|column| distance(column) <= 1 + name.chars().count() / 3);
        let hint = near.map_or_else(String::new, |column| format!("; did you mean {}?", column.name));
        Problem::bad(format!("there is no column {name:?}{hint}"))
    })
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    text: String,
    /// It stood in double quotes.
    quoted: bool,
    /// What stood behind the quotes.
    rest: String,
}

/// `a,b`, where a part in double quotes may have commas and, doubled, quotes.
fn split(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let Some((part, behind)) = rest.strip_prefix('"').and_then(quoted) else {
            let (part, behind) = rest.split_once(',').map_or((rest, None), |(part, behind)| (part, Some(behind)));
            parts.push(Part { text: part.to_owned(), quoted: false, rest: String::new() });
            match behind {
                Some(behind) => rest = behind,
                None => return parts,
            }
            continue;
        };
        let (own, next) = behind.split_once(',').map_or((behind, None), |(own, next)| (own, Some(next)));
        parts.push(Part { text: part, quoted: true, rest: own.to_owned() });
        match next {
            Some(next) => rest = next,
            None => return parts,
        }
    }
}

/// What stands up to the closing quote, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '"' {
            found.push(character);
        } else if characters.next_if(|(_, next)| *next == '"').is_some() {
            found.push('"');
        } else {
            return Some((found, &text[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let column = |name: &str, cast_to: &str, home: &str| Column {
            name: name.to_owned(),
            shown: cast_to.to_owned(),
            cast_to: cast_to.to_owned(),
            home: home.to_owned(),
            truth: cast_to == "boolean",
            words: cast_to == "text",
        };
        [
            ("day", "date", "pg_catalog"),
            ("limit", "bigint", "pg_catalog"),
            ("Odd \"one\"", "text", "pg_catalog"),
            ("mood", "public.mood", "public"),
            ("good", "boolean", "pg_catalog"),
        ]
        .map(|(name, cast_to, home)| column(name, cast_to, home))
        .to_vec()
    }

    fn read(pairs: &[(&str, &str)]) -> Result<(String, Vec<String>), String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let columns = columns();
        let selection = Selection::read(&Query(pairs), &columns).map_err(|problem| problem.document().to_string())?;
        let values = selection.values.into_iter().map(|(value, _)| value).collect();
        Ok((format!("{}{}", selection.condition, selection.order), values))
    }

    #[test]
    fn values_are_parameters_of_the_columns_type() {
        let (sql, values) = read(&[
            ("day", "gte.2026-01-01"),
            ("day", "lt.x'; DROP TABLE t --"),
            ("mood", "in.(\"a,b\",c)"),
            ("Odd \"one\"", "ilike.a%"),
        ])
        .unwrap_or_default();
        assert_eq!(
            sql,
            " WHERE t.day >= CAST($1::pg_catalog.text AS date) AND t.day < CAST($2::pg_catalog.text AS date) AND \
             t.mood IN (CAST($3::pg_catalog.text AS public.mood), CAST($4::pg_catalog.text AS public.mood)) AND \
             CAST(t.\"Odd \"\"one\"\"\" AS pg_catalog.text) ILIKE $5::pg_catalog.text"
        );
        assert_eq!(values, ["2026-01-01", "x'; DROP TABLE t --", "a,b", "c", "a%"]);
    }

    #[test]
    fn names_that_are_taken_stand_in_quotes() {
        let (sql, _) = read(&[
            ("\"limit\"", "is.not_null"),
            ("good", "is.true"),
            ("limit", "5"),
            ("order", "\"limit\".desc.nullslast,day"),
        ])
        .unwrap_or_default();
        assert_eq!(
            sql,
            " WHERE t.\"limit\" IS NOT NULL AND t.good IS TRUE ORDER BY t.\"limit\" DESC NULLS LAST, t.day"
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            ("dya", "eq.1"),
            ("day", "1"),
            ("day", "equals.1"),
            ("limit", "like.1"),
            ("mood", "ilike.a%"),
            ("day", "is.true"),
            ("good", "is.maybe"),
            ("order", "day.up"),
            ("order", "day.desc.asc"),
            ("order", "1"),
            ("order", ""),
            ("select", "day,day"),
            ("select", "day; SELECT 1"),
            ("select", ""),
            ("limit", "10001"),
            ("limit", "-1"),
            ("offset", "9223372036854775808"),
            ("t.day", "eq.1"),
        ] {
            assert!(read(&[bad]).is_err(), "{bad:?}");
        }
        assert!(read(&[("dya", "eq.1")]).unwrap_err().contains("did you mean day?"));
        assert!(read(&vec![("day", "is.null"); 51]).is_err());
    }
}
