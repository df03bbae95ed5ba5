//! What a migration does to the marts, in the form that was asked for.

use datamart::migration::{Effect, EffectKind, MartEffects, SourceChange};
use serde_json::{Value, json};

use super::super::args::Format;
use super::super::error::count;
use super::super::print::{self, Style};
use super::comment::{append, escaped};
use super::paint::Paint;

/// Where in a file.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column, from 1.
    pub column: Option<usize>,
}

/// Everything there is to tell.
#[derive(Debug, Default)]
pub struct Report<'a> {
    /// The migration's file.
    pub file: String,
    /// How many statements it has.
    pub statements: usize,
    /// The first lines of those that were not run.
    pub left_out: Vec<(String, Place)>,
    /// What happens to marts, and where each effect comes from.
    pub marts: Vec<(&'a MartEffects, Vec<Place>)>,
    /// What happens to what they read.
    pub sources: &'a [SourceChange],
}

/// Prints it on stdout.
pub fn show(report: &Report<'_>, style: Style) {
    match style.format {
        Format::Text => print::out(&text(report, style.out_color)),
        Format::Json => print::json(&json(report)),
        Format::Markdown => print::out(&markdown(report)),
    }
}

impl Report<'_> {
    fn number(&self, kind: EffectKind) -> usize {
        self.marts.iter().filter(|(mart, _)| mart.effects.iter().any(|effect| effect.kind == kind)).count()
    }

    fn summary(&self) -> String {
        if self.statements == 0 {
            return format!("{} has no statement: there is nothing to check.", self.file);
        }
        let mut said = format!("{}: {}", self.file, count(self.statements, "statement"));
        if !self.left_out.is_empty() {
            said.push_str(&format!(", {} left out", self.left_out.len()));
        }
        if self.marts.is_empty() {
            return format!("{said}; no mart is affected.");
        }
        let number = |kind| self.number(kind);
        let breaks = number(EffectKind::Breaks);
        format!(
            "{said}; {} {}, {} blocked, {} to rebuild, {} slowed.",
            count(breaks, "mart"),
            if breaks == 1 { "breaks" } else { "break" },
            number(EffectKind::Blocks),
            number(EffectKind::Rebuilds),
            number(EffectKind::Slows)
        )
    }

    fn effects(&self) -> impl Iterator<Item = (&MartEffects, &Effect, &Place)> {
        self.marts.iter().flat_map(|(mart, places)| mart.effects.iter().zip(places).map(move |(e, p)| (*mart, e, p)))
    }
}

fn at(place: &Place) -> Option<String> {
    Some(format!("{}:{}:{}", place.file, place.line?, place.column?))
}

fn text(report: &Report<'_>, color: bool) -> String {
    let paint = Paint(color);
    let mut text = String::new();
    for (mart, places) in &report.marts {
        text.push_str(&format!("{} ({})\n", paint.bold(&mart.name.to_string()), mart.kind.as_str()));
        for (effect, place) in mart.effects.iter().zip(places) {
            let word = effect.kind.as_str();
            let word = match effect.kind {
                EffectKind::Breaks => paint.red(word),
                EffectKind::Blocks | EffectKind::Rebuilds | EffectKind::Slows => paint.yellow(word),
            };
            text.push_str(&format!("  {word}: {}\n", effect.message));
            if let Some(at) = at(place) {
                text.push_str(&paint.dim(&format!("    at {at}\n")));
            }
        }
        text.push('\n');
    }
    for source in report.sources {
        text.push_str(&format!("Source {}: {}\n", source.full_name, source.change));
    }
    for (statement, place) in &report.left_out {
        let line = place.line.unwrap_or_default();
        text.push_str(&format!(
            "Left out (it cannot run in a transaction, and blocks no reader): line {line}: {statement}\n"
        ));
    }
    if !report.sources.is_empty() || !report.left_out.is_empty() {
        text.push('\n');
    }
    text.push_str(&paint.bold(&report.summary()));
    text.push('\n');
    text
}

fn json(report: &Report<'_>) -> Value {
    let left_out = report.left_out.iter();
    let left_out: Vec<Value> = left_out
        .map(|(statement, place)| json!({ "statement": statement, "line": place.line, "column": place.column }))
        .collect();
    let effect = |(effect, place): (&Effect, &Place)| {
        json!({
            "kind": effect.kind.as_str(),
            "message": effect.message,
            "file": place.file,
            "line": place.line,
            "column": place.column,
        })
    };
    let mart = |(mart, places): &(&MartEffects, Vec<Place>)| {
        let effects: Vec<Value> = mart.effects.iter().zip(places).map(effect).collect();
        json!({ "full_name": mart.name.to_string(), "type": mart.kind.as_str(), "effects": effects })
    };
    let mut summary = serde_json::Map::new();
    for kind in EffectKind::ALL {
        summary.insert(kind.as_str().to_owned(), report.number(kind).into());
    }
    json!({
        "migration": { "file": report.file, "statements": report.statements, "left_out": left_out, "sources": report.sources },
        "marts": report.marts.iter().map(mart).collect::<Vec<_>>(),
        "summary": summary,
    })
}

fn markdown(report: &Report<'_>) -> String {
    let mut text = format!("**{}**\n\n", escaped(&report.summary()));
    let mut lines = Vec::new();
    if !report.marts.is_empty() {
        lines.push("| mart | effect | why | where |\n|---|---|---|---|\n".to_owned());
    }
    lines.extend(report.effects().map(|(mart, effect, place)| {
        let mart = escaped(&mart.name.to_string());
        let at = at(place).unwrap_or_else(|| place.file.clone());
        format!("| {mart} | **{}** | {} | {} |\n", effect.kind.as_str(), escaped(&effect.message), escaped(&at))
    }));
    lines.push("\n".to_owned());
    lines.extend(report.sources.iter().map(|s| format!("- {}: {}\n", escaped(&s.full_name), escaped(&s.change))));
    lines.extend(report.left_out.iter().map(|(statement, _)| {
        format!("- left out, as it cannot run in a transaction and blocks no reader: {}\n", escaped(statement))
    }));
    let left = append(&mut text, lines, true);
    if left > 0 {
        text.push_str(&format!(
            "\n_{left} line(s) are too many for a comment; `datamart check-migration` shows them._\n"
        ));
    }
    text
}
