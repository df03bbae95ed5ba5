//! Result columns that stand for ranges of a source's column: `date_trunc('day', at)`, `at::date`, `date_bin(…)`.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::Known;
use super::flat::{Place, Within};
use super::node::{Callee, bare, callee, child, text};
use super::scope::Scope;

/// The range that a column of a SELECT stands for, and where a condition on it may stand.
pub(super) fn of(expression: &SyntaxNode, select: &SyntaxNode, scope: &Scope, known: &Known) -> Option<Within> {
    let expression = bare(expression);
    if let Some(output) = scope.column(&expression) {
        // What a subquery computed has its place there.
        return output.range.clone();
    }
    scope.expression(&expression, known)?;
    let (column, step) = truncated(&expression)?;
    let type_name = scope.column(&column)?.type_name.clone()?;
    if !["date", "timestamp without time zone", "timestamp with time zone"].contains(&plain(&type_name).as_str()) {
        return None;
    }
    Some(Within { column: text(&column), type_name, step, place: place(select)? })
}

/// A type without its precision: `timestamp(3) without time zone` is `timestamp without time zone`.
fn plain(type_name: &str) -> String {
    match (type_name.find('('), type_name.find(')')) {
        (Some(start), Some(end)) if start < end => format!("{}{}", &type_name[..start], &type_name[end + 1..]),
        _ => type_name.to_owned(),
    }
}

/// Steps that are shorter than a day.
const PARTS_OF_DAYS: [&str; 3] = ["1 second", "1 minute", "1 hour"];

/// The column behind an expression, and how long the ranges are.
fn truncated(node: &SyntaxNode) -> Option<(SyntaxNode, String)> {
    let node = bare(node);
    if node.kind() == SyntaxKind::CAST_EXPR {
        let to = to_type(&node)?;
        let inner = bare(&node.first_child()?);
        if let Some((column, step)) = truncated(&inner) {
            return match to.as_str() {
                // A bin may end on another day than it begins; parts of a day are all of it.
                "date" if text(&inner).contains("date_bin") => None,
                "date" if PARTS_OF_DAYS.contains(&step.as_str()) => Some((column, "1 day".to_owned())),
                to => is_time(to).then_some((column, step)),
            };
        }
        return (to == "date").then_some((column(&inner)?, "1 day".to_owned()));
    }
    let Some(Callee::Own(function)) = callee(&node) else { return None };
    let list = child(&node, SyntaxKind::ARG_LIST)?;
    let args: Vec<SyntaxNode> = list.children().filter_map(|arg| arg.first_child()).collect();
    match (function.as_str(), &args[..]) {
        ("date_trunc", [unit, value]) => Some((cast_column(value)?, step(&literal(unit)?)?)),
        ("date_bin", [stride, value, _]) => Some((cast_column(value)?, literal(stride)?)),
        ("date", [value]) => Some((column(&bare(value))?, "1 day".to_owned())),
        _ => None,
    }
}

/// A column, perhaps read as a timestamp.
fn cast_column(node: &SyntaxNode) -> Option<SyntaxNode> {
    let node = bare(node);
    if node.kind() == SyntaxKind::CAST_EXPR {
        return is_time(&to_type(&node)?).then(|| column(&bare(&node.first_child()?)))?;
    }
    column(&node)
}

fn column(node: &SyntaxNode) -> Option<SyntaxNode> {
    matches!(node.kind(), SyntaxKind::FIELD_EXPR | SyntaxKind::NAME_REF).then(|| node.clone())
}

fn to_type(cast: &SyntaxNode) -> Option<String> {
    cast.last_child().map(|node| plain(&text(&node)))
}

fn is_time(type_name: &str) -> bool {
    matches!(type_name, "date" | "timestamp without time zone" | "timestamp with time zone")
}

/// The text of a constant.
fn literal(node: &SyntaxNode) -> Option<String> {
    let node = bare(node);
    let node = if node.kind() == SyntaxKind::CAST_EXPR { node.first_child()? } else { node };
    let words = text(&node);
    let inner = words.strip_prefix('\'')?.strip_suffix('\'')?;
    let plain = inner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | ':' | '.'));
    (node.kind() == SyntaxKind::LITERAL && plain).then(|| inner.to_owned())
}

fn step(unit: &str) -> Option<String> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "quarter" => "3 months".to_owned(),
        "second" | "minute" | "hour" | "day" | "week" | "month" | "year" => format!("1 {}", unit.to_ascii_lowercase()),
        _ => return None,
    })
}

/// Where a SELECT takes another condition.
fn place(select: &SyntaxNode) -> Option<Place> {
    let end = |node: &SyntaxNode| usize::from(node.text_range().end());
    if let Some(condition) = child(select, SyntaxKind::WHERE_CLAUSE).and_then(|clause| clause.first_child()) {
        return Some(Place::And(usize::from(condition.text_range().start()), end(&condition)));
    }
    let from = child(select, SyntaxKind::FROM_CLAUSE)?;
    Some(Place::Where(end(&from)))
}
