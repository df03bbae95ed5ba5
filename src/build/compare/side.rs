//! What is compared: the columns that two relations share, and how their rows can be matched.

use serde::Serialize;
use sqlx::{PgConnection, Row};

use crate::database::SqlError;
use crate::state::QName;

/// A column, as PostgreSQL writes its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComparedColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A column whose type is not the same on both sides: its values are compared as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeChange {
    /// Its name.
    pub name: String,
    /// Its type in the first relation.
    pub a: String,
    /// Its type in the second one.
    pub b: String,
}

/// A column of one relation.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub name: String,
    pub type_name: String,
    pub collation: i64,
    pub not_null: bool,
    pub has_array: bool,
    pub sorted: bool,
}

/// Reads the columns of a relation.
pub(super) async fn facts(conn: &mut PgConnection, name: &QName) -> Result<Vec<Fact>, SqlError> {
    let rows = sqlx::query(include_str!("../sql/compared.sql")).bind(name.to_string()).fetch_all(conn).await?;
    let fact = |row: &sqlx::postgres::PgRow| {
        Ok(Fact {
            name: row.try_get("name")?,
            type_name: row.try_get("type_name")?,
            collation: row.try_get("collation")?,
            not_null: row.try_get("not_null")?,
            has_array: row.try_get("has_array")?,
            sorted: row.try_get("sorted")?,
        })
    };
    rows.iter().map(fact).collect::<Result<_, sqlx::Error>>().map_err(SqlError::from)
}

/// How the values of a key column find each other in a full join, for which PostgreSQL wants operators that sort or hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matched {
    /// As they are: never NULL, of a type that is sorted.
    Plain,
    /// As arrays of one value: in arrays a NULL equals a NULL.
    Array,
    /// As records of one value, to the byte: every type has an image.
    Image,
}

/// A column that both relations have.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub name: String,
    pub a_type: String,
    pub b_type: String,
    /// Its values are compared as text.
    pub as_text: bool,
    pub matched: Matched,
}

/// The columns of both, side by side.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub shared: Vec<Shared>,
    pub only_a: Vec<ComparedColumn>,
    pub only_b: Vec<ComparedColumn>,
}

impl Columns {
    pub fn of(a: &[Fact], b: &[Fact]) -> Self {
        let only = |these: &[Fact], those: &[Fact]| {
            let missing = these.iter().filter(|c| !those.iter().any(|other| other.name == c.name));
            missing.map(|c| ComparedColumn { name: c.name.clone(), type_name: c.type_name.clone() }).collect()
        };
        let pairs = a.iter().filter_map(|one| Some((one, b.iter().find(|other| other.name == one.name)?)));
        Self { shared: pairs.map(|(a, b)| shared(a, b)).collect(), only_a: only(a, b), only_b: only(b, a) }
    }

    /// The columns whose types are not the same.
    pub fn changed_types(&self) -> Vec<TypeChange> {
        let changed = self.shared.iter().filter(|c| c.a_type != c.b_type);
        changed.map(|c| TypeChange { name: c.name.clone(), a: c.a_type.clone(), b: c.b_type.clone() }).collect()
    }

    /// The places of a key's columns among the shared ones, or the first column that is not there.
    pub fn places<'k>(&self, key: &'k [String]) -> Result<Vec<usize>, &'k str> {
        key.iter().map(|k| self.shared.iter().position(|c| c.name == *k).ok_or(k.as_str())).collect()
    }
}

fn shared(a: &Fact, b: &Fact) -> Shared {
    // Values of two collations cannot be compared either, but as bytes.
    let as_text = a.type_name != b.type_name || a.collation != b.collation;
    let sorted = as_text || a.sorted || b.sorted;
    let matched = match (sorted, a.not_null && b.not_null) {
        (true, true) => Matched::Plain,
        (true, false) if as_text || a.has_array => Matched::Array,
        _ => Matched::Image,
    };
    Shared { name: a.name.clone(), a_type: a.type_name.clone(), b_type: b.type_name.clone(), as_text, matched }
}
