//! Rows of a mart, for people.

use datamart::observe::Preview;

use super::super::error::count;
use super::table::{short, table};

/// The widest a cell is shown.
const CELL: usize = 40;
/// Types that stand right.
const NUMBERS: [&str; 7] = ["smallint", "integer", "bigint", "numeric", "real", "double precision", "money"];

/// A table, and how many there are in all.
pub fn preview(preview: &Preview) -> String {
    let header: Vec<&str> = preview.columns.iter().map(|column| column.name.as_str()).collect();
    let numbers =
        preview.columns.iter().filter(|column| NUMBERS.iter().any(|number| column.type_name.starts_with(number)));
    let right: Vec<&str> = numbers.map(|column| column.name.as_str()).collect();
    let cell = |text: &Option<String>| text.as_ref().map_or_else(|| "NULL".to_owned(), |text| short(text, CELL));
    let rows = preview.texts.iter().map(|row| row.iter().map(cell).collect());
    let shown = count(preview.preview_count, "row");
    format!("{}\n{shown} of {}.\n", table(&header, &right, rows.collect()), preview.total_rows)
}
