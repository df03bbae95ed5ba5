//! The condition that a row of the mart has one of the keys, with the parameters of the restricted query.

use crate::sql::changes::Shape;
use crate::state::{Changes, KeyColumn, quote_ident};

/// It, of rows named `alias`.
pub(super) fn within(of: &Changes, shape: &Shape, alias: &str) -> String {
    let columns: Vec<String> = of.key.iter().map(|column| format!("{alias}.{}", quote_ident(&column.name))).collect();
    let has_null = |at: usize| shape.nulls.get(at).copied().unwrap_or_default();
    let mut terms: Vec<String> = Vec::new();
    for (at, (key, column)) in of.key.iter().zip(&columns).enumerate() {
        let among = format!("{column} = ANY (${}::{}[])", at + 1, key.type_name);
        terms.push(if has_null(at) { format!("({among} OR {column} IS NULL)") } else { among });
    }
    if columns.len() > 1 {
        terms.push(side_by_side(&of.key, &columns, has_null));
    }
    terms.join(" AND ")
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
