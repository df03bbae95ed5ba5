//! Rows that are the same but for the last digits of floating-point numbers: what these sum up to depends on the order in which
//! they are added, and no order is promised.

use crate::catalog::Column;
use crate::state::quote_ident;

/// How far two values of a type may lie apart: beside themselves, and beside the largest one of the column.
const APART: [(&str, &str, &str); 2] = [("double precision", "1e-9", "1e-12"), ("real", "1e-4", "1e-5")];

/// The question whether the rows of two relations are so much alike, `None` where no column is such a number. `which` is a condition on rows of
/// `alias`.
pub(super) fn alike(columns: &[Column], is: &str, should: &str, alias: &str, which: &str) -> Option<String> {
    let apart = |column: &Column| APART.iter().find(|(name, ..)| column.type_name == *name);
    let (floats, others): (Vec<&Column>, Vec<&Column>) = columns.iter().partition(|column| apart(column).is_some());
    if floats.is_empty() {
        return None;
    }
    let numbered = |word: &str, count: usize| (0..count).map(|at| format!("{word}{at}")).collect::<Vec<_>>();
    let (plain, values) = (numbered("c", others.len()), numbered("f", floats.len()));
    let half = |side: usize, from: &str| {
        let plain =
            others.iter().zip(&plain).map(|(column, name)| format!("{alias}.{} AS {name}", quote_ident(&column.name)));
        // Differences of numbers as large as can be are no number of that type.
        let values = floats
            .iter()
            .zip(&values)
            .map(|(column, name)| format!("{alias}.{}::pg_catalog.numeric AS {name}", quote_ident(&column.name)));
        let columns: Vec<String> = plain.chain(values).collect();
        format!("SELECT {side} AS side, {} FROM {from} AS {alias}{which}", columns.join(", "))
    };
    let group =
        |first: &str| [first].into_iter().chain(plain.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
    let sizes = values
        .iter()
        .map(|value| format!("max(CASE WHEN abs({value}) < 'Infinity' THEN abs({value}) END) OVER () AS {value}_size"));
    let differ = floats.iter().zip(&values).filter_map(|(column, value)| {
        let (_, own, column) = apart(column)?;
        let largest = format!("greatest(abs(max({value})), abs(min({value})))");
        Some(format!(
            "count({value}) = 1 OR max({value}) IS DISTINCT FROM min({value}) AND ({largest} >= 'Infinity' \
             OR max({value}) - min({value}) > greatest({own} * {largest}, {column} * max({value}_size)))"
        ))
    });
    Some(format!(
        "SELECT NOT EXISTS (SELECT FROM (SELECT b.*, row_number() OVER (PARTITION BY {} ORDER BY {}) AS nth, {} FROM ({} UNION ALL {}) AS b) AS n \
         GROUP BY {} HAVING count(*) <> 2 OR {})",
        group("side"),
        values.join(", "),
        sizes.collect::<Vec<_>>().join(", "),
        half(0, is),
        half(1, should),
        group("nth"),
        differ.collect::<Vec<_>>().join(" OR "),
    ))
}
