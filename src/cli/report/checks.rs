//! What checks found, for people.

use std::fmt::Write as _;

use datamart::build::{CheckResult, CheckStatus};

use super::super::error::count;
use super::super::print::Style;
use super::mart::dash;
use super::paint::Paint;
use super::runs::seconds;
use super::table::{LAST, short, table};
use super::thousands;

/// `check`: one row per check, a row for each mart without any, then what does not pass.
pub fn text(results: &[CheckResult], without: &[String], style: Style) -> String {
    let paint = Paint(style.out_color);
    if results.is_empty() && without.is_empty() {
        return "Nothing to check.\n".to_owned();
    }
    let checked = results.iter().map(|result| {
        vec![
            result.mart.clone(),
            result.name.clone(),
            result.severity.as_str().to_owned(),
            result.status.as_str().to_owned(),
            result.failing_rows.map_or_else(dash, thousands),
            seconds(result.duration_ms),
        ]
    });
    let unchecked = without.iter().map(|mart| {
        let mut row = vec![mart.clone(), "no checks".to_owned()];
        row.resize_with(6, dash);
        row
    });
    let rows = checked.chain(unchecked).collect();
    let mut text = table(&["mart", "check", "severity", "status", "failing", "took"], &["failing", "took"], rows);
    text.push_str(&findings(results, style.out_color));
    let of = |status| results.iter().filter(|result| result.status == status).count();
    let mut line = format!("{} passed", count(of(CheckStatus::Passed), "check"));
    for (status, words) in [(CheckStatus::Failed, "failed"), (CheckStatus::Error, "could not be run")] {
        if of(status) > 0 {
            let _ = write!(line, ", {} {words}", of(status));
        }
    }
    text.push_str(&paint.bold(&format!("{line}.")));
    text.push('\n');
    text
}

/// What does not pass, each with the sample of its rows.
pub fn findings(results: &[CheckResult], color: bool) -> String {
    let paint = Paint(color);
    let mut text = String::new();
    for result in results.iter().filter(|result| result.status != CheckStatus::Passed) {
        let word = if result.stops() { paint.red("failed") } else { paint.yellow("warning") };
        let message = result.message.as_deref().unwrap_or_default();
        let _ = writeln!(text, "{word}: {}: check {}: {message}", result.mart, result.name);
        for row in &result.sample {
            let _ = writeln!(text, "    {}", short(&row.to_string(), 2 * LAST));
        }
    }
    text
}
