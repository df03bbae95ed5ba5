//! What checks found, for people.

use std::fmt::Write as _;

use datamart::build::{CheckResult, CheckStatus};

use super::super::error::count;
use super::super::print::Style;
use super::findings::findings;
use super::mart::dash;
use super::paint::Paint;
use super::seconds;
use super::table::table;
use datamart::state::thousands;

/// So many marts without checks are named.
const NAMED: usize = 5;

/// `check`: one row per check, then what does not pass, and who has none.
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
    let rows: Vec<_> = checked.collect();
    let mut text = match rows.is_empty() {
        true => String::new(),
        false => table(&["mart", "check", "severity", "status", "failing", "took"], &["failing", "took"], rows),
    };
    text.push_str(&findings(results, style.out_color));
    let of = |status| results.iter().filter(|result| result.status == status).count();
    let mut line = format!("{} passed", count(of(CheckStatus::Passed), "check"));
    for (status, words) in [(CheckStatus::Failed, "failed"), (CheckStatus::Error, "could not be run")] {
        if of(status) > 0 {
            let _ = write!(line, ", {} {words}", of(status));
        }
    }
    if !without.is_empty() {
        let names = without.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = if without.len() > NAMED { ", …" } else { "" };
        let _ = writeln!(text, "{} without checks: {names}{more}", count(without.len(), "mart"));
    }
    text.push_str(&paint.bold(&format!("{line}.")));
    text.push('\n');
    text
}
