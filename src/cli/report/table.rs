//! Tables without lines.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// The widest a last column is shown.
pub const LAST: usize = 72;

/// A table with a header; `right` names the columns that hold numbers.
pub fn table(header: &[&str], right: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    table.add_rows(rows);
    for (at, name) in header.iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2));
            if right.contains(name) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// A text of one line, cut to what fits beside others.
pub fn short(text: &str, most: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right() {
        let rows = vec![vec!["sales".to_owned(), "12".to_owned()], vec!["x".to_owned(), "3".to_owned()]];
        insta::assert_snapshot!(table(&["mart", "rows"], &["rows"], rows), @r#"
        mart   rows
        sales    12
        x         3
        "#);
        assert_eq!(short("a\nlong text", 6), "a lon…");
    }
}
