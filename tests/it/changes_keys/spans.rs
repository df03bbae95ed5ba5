//! Rows of some time, asked for where the source is read.

use datamart::sql::changes::{beyond, spanned, up_to};
use datamart::state::{Changes, quote_ident, quote_literal};
use sqlx::PgConnection;

use super::{differences, texts};

/// What is wrong with one query's rows of a span of time, and with the others.
pub async fn wrong(conn: &mut PgConnection, name: &str, changes: &Changes) -> Option<String> {
    for (at, key) in changes.key.iter().enumerate().filter(|(_, key)| key.range.is_some()) {
        let column = quote_ident(&key.name);
        let span = format!(
            "SELECT coalesce(max(a), ''), coalesce(max(b), '') FROM (SELECT a::text, b::text FROM
             (SELECT k AS a, lead(k, 1 + (random() * 2)::int) OVER (ORDER BY k) AS b FROM (SELECT DISTINCT {column} AS k FROM after_{name} WHERE isfinite({column})) AS d) AS s
             WHERE b IS NOT NULL ORDER BY random() LIMIT 1) AS one"
        );
        let found = texts(conn, &span).await;
        let (from, to) = (found[0].clone()?, found[1].clone()?);
        if from.is_empty() {
            continue;
        }
        let (low, high) = (quote_literal(&from), quote_literal(&to));
        let span = (from, to);
        for (query, condition) in [
            (spanned(changes, at, std::slice::from_ref(&span)), format!("{column} >= {low} AND {column} < {high}")),
            (up_to(changes, at, &span), format!("{column} >= {low} AND {column} <= {high}")),
            (beyond(changes, at, &span), format!("({column} >= {low} AND {column} < {high}) IS NOT TRUE")),
        ] {
            let one = format!("(SELECT * FROM ({query}) AS q WHERE {condition})");
            let other = format!("(SELECT * FROM after_{name} WHERE {condition})");
            let different = differences(&format!("{one} AS one"), &format!("{other} AS other"));
            let found =
                texts(conn, &format!("SELECT count(*)::text, (array_agg(d::text))[1] FROM {different} AS d")).await;
            if found[0].as_deref() != Some("0") {
                return Some(format!(
                    "{name}: rows differ of a span, such as {:?}\n{query}\nWHERE {condition}",
                    found[1]
                ));
            }
        }
    }
    None
}
