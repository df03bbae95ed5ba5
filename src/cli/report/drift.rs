//! Drift, in the form that was asked for.

use datamart::plan::Drift;
use serde_json::json;

use super::super::args::Format;
use super::super::error::count;
use super::super::print::{self, Style};
use super::paint::Paint;

/// Prints it on stdout.
pub fn print(items: &[Drift], style: Style) {
    match style.format {
        Format::Json => print::json(&json!({ "drift": items })),
        Format::Text => print::out(&text(items, style.out_color)),
        Format::Markdown => print::out(&markdown(items)),
    }
}

fn text(items: &[Drift], color: bool) -> String {
    let paint = Paint(color);
    let mut text = String::new();
    for item in items {
        text.push_str(&format!(
            "{} {} ({}): {}\n",
            paint.yellow("!"),
            paint.bold(&item.address),
            item.kind.as_str(),
            item.message
        ));
        text.push_str(&paint.diff(&item.diff, "    "));
        text.push('\n');
    }
    text.push_str(&paint.bold(&summary(items)));
    text.push('\n');
    text
}

fn markdown(items: &[Drift]) -> String {
    let mut text = format!("**{}**\n\n", summary(items));
    for item in items {
        text.push_str(&format!("- `{}`: {}\n", item.address, item.message));
    }
    text
}

fn summary(items: &[Drift]) -> String {
    if items.is_empty() {
        return "No drift.".to_owned();
    }
    let marts: std::collections::BTreeSet<&str> = items.iter().map(|item| item.address.as_str()).collect();
    format!(
        "Drift: {} in {}; `datamart apply --heal` puts it back.",
        count(items.len(), "difference"),
        count(marts.len(), "mart")
    )
}
