//! What two versions of a mart have not in common: their definitions and their rows.

use std::fmt::Write as _;

use datamart::build::{ChangedRows, OnlyIn};
use serde_json::Value;

use super::super::args::Format;
use super::super::print::{self, Style};
use super::diff_markdown::markdown;
pub use super::diff_words::Diff;
use super::diff_words::{cell, changed_rows, count_lines, of, remarks, rows_line};
use super::paint::Paint;
use super::table::table;

/// Prints it on stdout.
pub fn print(diff: &Diff, style: Style) {
    match style.format {
        Format::Json => print::json(diff),
        Format::Text => print::out(&text(diff, style.out_color)),
        Format::Markdown => print::out(&markdown(diff)),
    }
}

fn text(diff: &Diff, color: bool) -> String {
    let paint = Paint(color);
    let Diff { mart, a, b, definition, data } = diff;
    let mut text = format!("{}\n\n", paint.bold(&format!("{mart}: {a} → {b}")));
    match definition.is_empty() {
        true => text.push_str("The definition is the same.\n"),
        false => text.push_str(&paint.diff(definition, "    ")),
    }
    text.push('\n');
    let _ = writeln!(text, "{}", paint.bold(&rows_line(diff)));
    for line in remarks(diff) {
        let _ = writeln!(text, "  {line}");
    }
    for line in count_lines(diff) {
        let mark = line.get(..1).unwrap_or_default();
        let painted = match mark {
            "-" => paint.red(&line),
            "+" => paint.green(&line),
            _ => paint.yellow(&line),
        };
        let _ = writeln!(text, "  {painted}");
    }
    for (side, only) in [(a, &data.only_in_a), (b, &data.only_in_b)] {
        if !only.sample.is_empty() {
            let _ =
                write!(text, "\nOnly in {side}{}:\n{}", of(only.sample.len(), only.count), indented(&only_table(only)));
        }
    }
    if let Some(changed) = data.changed.as_ref().filter(|changed| !changed.sample.is_empty()) {
        let shown = of(changed.sample.len(), changed.count);
        let _ = write!(text, "\nChanged{shown}:\n{}", indented(&changed_table(changed, a, b)));
    }
    text
}

/// Rows as a table; the columns are those of the first one.
fn only_table(only: &OnlyIn) -> String {
    let Some(Value::Object(first)) = only.sample.first() else { return String::new() };
    let header: Vec<&str> = first.keys().map(String::as_str).collect();
    let row = |row: &Value| header.iter().map(|name| cell(row.get(*name))).collect();
    table(&header, &[], only.sample.iter().map(row).collect())
}

/// One line per value that differs.
fn changed_table(changed: &ChangedRows, a: &str, b: &str) -> String {
    table(&["key", "column", a, b], &[], changed_rows(changed))
}

fn indented(table: &str) -> String {
    table.lines().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use datamart::build::{ChangedColumn, ComparedBy, ComparedColumn, Comparison, TypeChange};
    use serde_json::json;

    use super::*;

    fn sample() -> Diff {
        let changed = ChangedRows {
            count: 1_024,
            columns: vec![
                ChangedColumn { name: "amount".into(), count: 1_020 },
                ChangedColumn { name: "name".into(), count: 5 },
            ],
            sample: vec![
                json!({ "key": { "id": 30, "day": "2026-01-01" }, "old": { "name": "n|30", "amount": 30 }, "new": { "name": null, "amount": 31.5 } }),
                json!({ "key": { "id": 31, "day": "2026-01-01" }, "old": { "amount": 31 }, "new": { "amount": 32 } }),
            ],
        };
        Diff {
            mart: "public.sales".into(),
            a: "version 1".into(),
            b: "version 2".into(),
            definition: datamart::plan::unified("SELECT 1", "SELECT 2", "version 1", "version 2"),
            data: Comparison {
                by: ComparedBy::Key(vec!["id".into(), "day".into()]),
                note: None,
                rows_a: 1_000_000,
                rows_b: 999_994,
                only_in_a: OnlyIn {
                    count: 7,
                    sample: vec![json!({ "id": 1, "name": "x".repeat(99) }), json!({ "id": 22, "name": null })],
                },
                only_in_b: OnlyIn::default(),
                changed: Some(changed),
                columns_only_in_a: Vec::new(),
                columns_only_in_b: vec![ComparedColumn { name: "tax".into(), type_name: "numeric".into() }],
                as_text: vec![TypeChange { name: "id".into(), a: "integer".into(), b: "bigint".into() }],
            },
        }
    }

    fn nothing() -> Diff {
        let mut diff = sample();
        diff.definition.clear();
        diff.data = Comparison {
            by: ComparedBy::Rows,
            note: Some("rows of public.sales_v1 share a key".into()),
            only_in_a: OnlyIn::default(),
            changed: None,
            columns_only_in_b: Vec::new(),
            as_text: Vec::new(),
            rows_b: 1_000_000,
            ..diff.data
        };
        diff
    }

    #[test]
    fn people_read_what_differs() {
        insta::assert_snapshot!(text(&sample(), false), @r#"
        public.sales: version 1 → version 2

            --- version 1
            +++ version 2
            @@ -1 +1 @@
            -SELECT 1
            +SELECT 2

        Rows, by key (id, day): 1,000,000 in version 1, 999,994 in version 2
          only version 2 has, left out: tax numeric
          compared as text, of another type: id (integer → bigint)
          - 7 only in version 1
          ~ 1,024 changed: amount (1,020), name (5)

        Only in version 1 (2 of 7):
            id  name
            1   xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
            22  NULL

        Changed (2 of 1,024):
            key                   column  version 1  version 2
            id=30 day=2026-01-01  name    n|30       NULL
                                  amount  30         31.5
            id=31 day=2026-01-01  amount  31         32
        "#);
        insta::assert_snapshot!(text(&nothing(), false), @r#"
        public.sales: version 1 → version 2

        The definition is the same.

        Rows, whole rows: 1,000,000 in version 1, 1,000,000 in version 2
          compared as whole rows: rows of public.sales_v1 share a key
          = every row is the same
        "#);
    }

    #[test]
    fn a_comment_shows_the_same() {
        insta::assert_snapshot!(markdown(&sample()), @r#"
        **public.sales: version 1 → version 2**

        Rows, by key (id, day): 1,000,000 in version 1, 999,994 in version 2

        - `- 7 only in version 1`
        - `~ 1,024 changed: amount (1,020), name (5)`
        - only version 2 has, left out: tax numeric
        - compared as text, of another type: id (integer → bigint)

        <details><summary>Definition</summary>

        ```diff
        --- version 1
        +++ version 2
        @@ -1 +1 @@
        -SELECT 1
        +SELECT 2
        ```

        </details>

        Only in version 1 (2 of 7):

        | id | name |
        |---|---|
        | 1 | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… |
        | 22 | NULL |

        Changed (2 of 1,024):

        | key | column | version 1 | version 2 |
        |---|---|---|---|
        | id=30 day=2026-01-01 | name | n\|30 | NULL |
        |  | amount | 30 | 31.5 |
        | id=31 day=2026-01-01 | amount | 31 | 32 |
        "#);
        insta::assert_snapshot!(markdown(&nothing()), @r#"
        **public.sales: version 1 → version 2**

        Rows, whole rows: 1,000,000 in version 1, 1,000,000 in version 2

        - `= every row is the same`
        - compared as whole rows: rows of public.sales\_v1 share a key

        The definition is the same.
        "#);
        let mut long = sample();
        long.definition = "+line\n".repeat(20_000);
        let cut = markdown(&long);
        assert!(cut.chars().count() < 48_000 && cut.contains("`datamart diff` shows them"), "{}", cut.len());
    }

    #[test]
    fn programs_get_all_of_it() {
        let value = serde_json::to_value(nothing()).expect("an object");
        insta::assert_snapshot!(value, @r#"
        {"mart":"public.sales","a":"version 1","b":"version 2","definition":"","data":{"by":"rows","note":"rows of public.sales_v1 share a key","rows_a":1000000,"rows_b":1000000,"only_in_a":{"count":0,"sample":[]},"only_in_b":{"count":0,"sample":[]},"columns_only_in_a":[],"columns_only_in_b":[],"as_text":[]}}
        "#);
        assert_eq!(serde_json::to_value(sample()).expect("an object")["data"]["key"], json!(["id", "day"]));
    }
}
