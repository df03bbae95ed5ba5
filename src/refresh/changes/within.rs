//! The condition that a row of the mart has one of the keys, with the parameters of the restricted query.

use crate::sql::changes::Shape;
use crate::state::{Changes, KeyColumn, quote_ident};

/// It, of rows named `alias`.
pub(super) fn within(of: &Changes, shape: &Shape, alias: &str) -> String {
    let columns = columns(of, alias);
    let mut terms = vec![among(of, shape, alias)];
    if columns.len() > 1 {
        terms.push(side_by_side(&of.key, &columns, |at| has_null(shape, at)));
    }
    terms.join(" AND ")
}

/// That each column of the key has one of its values, whichever stand side by side.
pub(super) fn among(of: &Changes, shape: &Shape, alias: &str) -> String {
    let term = |(at, (key, column)): (usize, (&KeyColumn, String))| {
        let among = format!("{column} = ANY (${}::{}[])", at + 1, key.type_name);
        if has_null(shape, at) { format!("({among} OR {column} IS NULL)") } else { among }
    };
    let terms: Vec<String> = of.key.iter().zip(columns(of, alias)).enumerate().map(term).collect();
    terms.join(" AND ")
}

fn columns(of: &Changes, alias: &str) -> Vec<String> {
    of.key.iter().map(|column| format!("{alias}.{}", quote_ident(&column.name))).collect()
}

fn has_null(shape: &Shape, at: usize) -> bool {
    shape.nulls.get(at).copied().unwrap_or_default()
}

/// One of the keys, and not only of each column one of its values.
fn side_by_side(key: &[KeyColumn], columns: &[String], has_null: impl Fn(usize) -> bool) -> String {
    let number = |at: usize| columns.len() + at + 1;
    let arrays: Vec<String> = key
        .iter()
        .enumerate()
        .map(|(at, key)| format!("pg_catalog.unnest(${}::{}[])", number(at), key.type_name))
        .collect();
    let names: Vec<String> = (1..=columns.len()).map(|number| format!("k{number}")).collect();
    let keys = format!("ROWS FROM ({}) AS k ({})", arrays.join(", "), names.join(", "));
    if !(0..columns.len()).any(&has_null) {
        return format!("({}) IN (SELECT {} FROM {keys})", columns.join(", "), names.join(", "));
    }
    // What is never NULL can be hashed; the rest is compared one by one.
    let same = columns.iter().zip(&names).enumerate().map(|(at, (column, name))| match has_null(at) {
        true => format!("k.{name} IS NOT DISTINCT FROM {column}"),
        false => format!("k.{name} = {column}"),
    });
    format!("EXISTS (SELECT FROM {keys} WHERE {})", same.collect::<Vec<_>>().join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_conditions() {
        let told = |names: &[&str], nulls: &[bool]| {
            let column =
                |name: &&str| KeyColumn { name: (*name).into(), type_name: "text".into(), ..KeyColumn::default() };
            let of = Changes { key: names.iter().map(column).collect(), ..Changes::default() };
            within(&of, &Shape { nulls: nulls.to_vec(), ..Shape::default() }, "m")
        };
        assert_eq!(told(&["id"], &[false]), "m.id = ANY ($1::text[])");
        assert_eq!(told(&["id"], &[true]), "(m.id = ANY ($1::text[]) OR m.id IS NULL)");
        assert_eq!(
            told(&["Day", "kind"], &[false, false]),
            "m.\"Day\" = ANY ($1::text[]) AND m.kind = ANY ($2::text[]) AND (m.\"Day\", m.kind) IN \
             (SELECT k1, k2 FROM ROWS FROM (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[])) AS k (k1, k2))"
        );
    }
}
