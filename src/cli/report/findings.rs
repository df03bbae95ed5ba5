//! What checks do not let pass.

use std::fmt::Write as _;

use datamart::build::{CheckResult, CheckStatus};

use super::paint::Paint;
use super::table::{LAST, short};

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
