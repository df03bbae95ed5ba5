//! A comparison of two versions, for a pull request's comment.

use datamart::build::OnlyIn;
use serde_json::Value;

use super::comment::{append, escaped, folded};
use super::diff_words::{Diff, cell, changed_rows, count_lines, of, remarks, rows_line};

/// Counts first, then what they are of; at most 48,000 characters.
pub(super) fn markdown(diff: &Diff) -> String {
    let Diff { mart, a, b, definition, data } = diff;
    let mut text =
        format!("**{}: {} → {}**\n\n{}\n\n", escaped(mart), escaped(a), escaped(b), escaped(&rows_line(diff)));
    let lines = count_lines(diff).into_iter().map(|line| format!("- `{}`\n", line.replace('`', "'")));
    let remarks = remarks(diff).into_iter().map(|line| format!("- {}\n", escaped(&line)));
    let mut pieces: Vec<String> = vec![lines.chain(remarks).collect::<String>() + "\n"];
    match definition.is_empty() {
        true => pieces.push("The definition is the same.\n\n".to_owned()),
        false => pieces.push(folded("Definition", definition, "diff")),
    }
    for (side, only) in [(a, &data.only_in_a), (b, &data.only_in_b)] {
        if let Some(table) = only_table(only) {
            pieces.push(format!("Only in {}{}:\n\n{table}\n", escaped(side), of(only.sample.len(), only.count)));
        }
    }
    if let Some(changed) = data.changed.as_ref().filter(|changed| !changed.sample.is_empty()) {
        let head = ["key", "column", a.as_str(), b.as_str()].map(str::to_owned).to_vec();
        let table = lines_of(&head, &changed_rows(changed));
        pieces.push(format!("Changed{}:\n\n{table}\n", of(changed.sample.len(), changed.count)));
    }
    let left_out = append(&mut text, pieces, false);
    if left_out > 0 {
        text.push_str(&format!("_{left_out} part(s) are too long for a comment; `datamart diff` shows them._\n"));
    }
    text
}

fn only_table(only: &OnlyIn) -> Option<String> {
    let Some(Value::Object(first)) = only.sample.first() else { return None };
    let head: Vec<String> = first.keys().cloned().collect();
    let rows: Vec<Vec<String>> =
        only.sample.iter().map(|row| head.iter().map(|name| cell(row.get(name))).collect()).collect();
    Some(lines_of(&head, &rows))
}

fn lines_of(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    line(head) + &rule + &rows.iter().map(|row| line(row)).collect::<String>()
}
