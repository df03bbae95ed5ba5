//! `[[checks]]`.

use toml::de::DeValue;

use super::names::check_name;
use super::report::Report;
use super::section::Section;
use super::{Place, Problem, QuerySource, Severity};
use crate::sql::CheckQuery;
use crate::state::{CheckDecl, CheckForm, CheckSeverity};

/// The keys of which a check has exactly one.
const FORMS: &[&str] = &["sql", "not_null", "unique", "accepted", "rows", "fresh"];

/// The checks of a mart.
pub(super) fn read(root: &Section<'_>, report: &mut Report) -> Vec<CheckDecl> {
    let mut checks: Vec<CheckDecl> = Vec::new();
    for section in &root.sections("checks") {
        let Some(form) = form(section, report) else { continue };
        let name = section.text("name").unwrap_or_else(|| form.default_name());
        let span = section.span("name");
        if section.has("name") && (name.trim().is_empty() || name.contains(char::is_control)) {
            let message = format!("{name:?} is not the name of a check");
            report.error(span, section.path("name"), message, "choose another name, in one line");
        } else if checks.iter().any(|other| other.name == name) {
            let message = format!("the check {name:?} is declared twice");
            let help = if section.has("name") { "give it another name" } else { "give it a `name` of its own" };
            report.error(span, section.path("name"), message, help);
        }
        let severity = match section.str("severity") {
            Some("warn") => CheckSeverity::Warn,
            _ => CheckSeverity::Error,
        };
        checks.push(CheckDecl { name, severity, form });
    }
    checks
}

/// What is checked; `None` where that cannot be said, and was told.
fn form(section: &Section<'_>, report: &mut Report) -> Option<CheckForm> {
    let said: Vec<&str> = FORMS.iter().copied().filter(|key| section.has(key)).collect();
    let [key] = said.as_slice() else {
        let (span, path, message) = match said.get(1) {
            Some(second) => (
                section.key_span(second),
                section.path(second),
                format!("a check is of one form, and this one has `{}`", said.join("`, `")),
            ),
            None => (section.own_span(), section.path(""), "the check does not say what is checked".to_owned()),
        };
        let help = format!("give it exactly one of `{}`", FORMS.join("`, `"));
        report.error(span, path.trim_end_matches('.'), message, help);
        return None;
    };
    match *key {
        "sql" => sql(section, report),
        "not_null" => Some(CheckForm::NotNull(columns(section, "not_null", report)?)),
        "unique" => Some(CheckForm::Unique(columns(section, "unique", report)?)),
        "accepted" => accepted(&section.section("accepted"), report),
        "rows" => rows(&section.section("rows"), report),
        _ => {
            let fresh = section.section("fresh");
            let column = column(&fresh, report)?;
            Some(CheckForm::Fresh { column, within: fresh.duration("within")? })
        }
    }
}

fn sql(section: &Section<'_>, report: &mut Report) -> Option<CheckForm> {
    let text = section.str("sql")?;
    match CheckQuery::parse(text) {
        Ok(query) => Some(CheckForm::Sql(query.text)),
        Err(error) => {
            let source = QuerySource::literal(report.file.clone(), report.text.clone(), section.span("sql"), text);
            let at = source.file_span(text, error.span);
            report.problems.push(Problem {
                severity: Severity::Error,
                file: source.file.clone(),
                place: Some(Place::new(source.text.clone(), at)),
                key: Some(section.path("sql")),
                message: error.message,
                help: error.help,
            });
            None
        }
    }
}

fn columns(section: &Section<'_>, key: &str, report: &mut Report) -> Option<Vec<String>> {
    let path = section.path(key);
    let mut columns: Vec<String> = Vec::new();
    for (column, span) in section.strings(key) {
        check_name(column, span.clone(), &path, report);
        if columns.iter().any(|known| known == column) {
            report.error(span, path.as_str(), format!("{column} stands twice in this check"), "remove one of them");
        }
        columns.push(column.to_owned());
    }
    if section.value(key).is_some_and(|value| value.get_ref().as_array().is_some_and(|items| items.is_empty())) {
        report.error(section.span(key), path, "the check names no columns", "name at least one");
    }
    (!columns.is_empty()).then_some(columns)
}

fn column(section: &Section<'_>, report: &mut Report) -> Option<String> {
    let column = section.text("column")?;
    check_name(&column, section.span("column"), &section.path("column"), report);
    Some(column)
}

fn accepted(section: &Section<'_>, report: &mut Report) -> Option<CheckForm> {
    let values: Vec<String> = section.items("values").iter().filter_map(|item| text(item.get_ref())).collect();
    if section.has("values") && section.items("values").is_empty() {
        let help = "name at least one; `not_null` is about NULL";
        report.error(section.span("values"), section.path("values"), "no values are accepted", help);
    }
    let column = column(section, report)?;
    (!values.is_empty()).then_some(CheckForm::Accepted { column, values })
}

/// A value as PostgreSQL reads it, of whatever type the column is.
fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(
            i64::from_str_radix(number.as_str(), number.radix()).map_or_else(|_| number.to_string(), |n| n.to_string()),
        ),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(is) => Some(is.to_string()),
        _ => None,
    }
}

fn rows(section: &Section<'_>, report: &mut Report) -> Option<CheckForm> {
    let bound = |key: &str| section.integer(key).and_then(|rows| u64::try_from(rows).ok());
    let (min, max) = (bound("min"), bound("max"));
    let empty = section.exists() && !section.has("min") && !section.has("max");
    if empty {
        let help = "write for example `rows = { min = 1 }`";
        report.error(section.own_span(), section.path("min"), "`rows` has no bound", help);
    } else if min.zip(max).is_some_and(|(min, max)| min > max) {
        let help = "no number of rows is both";
        report.error(section.span("min"), section.path("min"), "`min` is larger than `max`", help);
    }
    (min.is_some() || max.is_some()).then_some(CheckForm::Rows { min, max })
}
