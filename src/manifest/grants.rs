//! `[[grants]]`.

use super::names::check_name;
use super::nearest::nearest;
use super::report::Report;
use super::section::Section;
use crate::sql::parse_qualified_name;
use crate::state::GrantDecl;

/// Privileges of relations. <https://www.postgresql.org/docs/current/ddl-priv.html>
const PRIVILEGES: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"];

/// Those that may be given on columns.
const OF_COLUMNS: &[&str] = &["SELECT", "INSERT", "UPDATE", "REFERENCES"];

/// The grants of a mart; `None` where it has no word about them.
pub(super) fn read(root: &Section<'_>, report: &mut Report) -> Option<Vec<GrantDecl>> {
    root.has("grants").then(|| root.sections("grants").iter().map(|section| grant(section, report)).collect())
}

/// PUBLIC is everybody, however it is written; in double quotes it is a role of that name.
fn role(text: &str) -> String {
    let quoted = text.starts_with('"').then(|| parse_qualified_name(text)).flatten();
    match quoted.as_deref() {
        Some([name]) => name.clone(),
        _ if text.eq_ignore_ascii_case("public") => "public".to_owned(),
        _ => text.to_owned(),
    }
}

fn grant(section: &Section<'_>, report: &mut Report) -> GrantDecl {
    let role = role(&section.text("role").unwrap_or_default());
    if section.has("role") {
        check_name(&role, section.span("role"), &section.path("role"), report);
    }
    let columns = section.names("columns");
    let key = section.path("privileges");
    let mut privileges: Vec<String> = Vec::new();
    for (word, span) in section.strings("privileges") {
        let upper = word.to_uppercase();
        if !PRIVILEGES.contains(&upper.as_str()) {
            let help = match nearest(word, PRIVILEGES.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("write the privileges by name: {}", PRIVILEGES.join(", ")),
            };
            report.error(span, key.as_str(), format!("unknown privilege {word:?}"), help);
        } else if !columns.is_empty() && !OF_COLUMNS.contains(&upper.as_str()) {
            report.error(
                span,
                key.as_str(),
                format!("{upper} cannot be granted on columns"),
                format!("on columns there are {}", OF_COLUMNS.join(", ")),
            );
        } else if !privileges.contains(&upper) {
            privileges.push(upper);
        }
    }
    if section.value("privileges").is_some_and(|v| v.get_ref().as_array().is_some_and(|a| a.is_empty())) {
        report.error(
            section.span("privileges"),
            key,
            "no privileges are named",
            "write for example `privileges = [\"SELECT\"]`",
        );
    }
    privileges.sort();
    GrantDecl { role, privileges, columns, grant_option: section.bool("grant_option").unwrap_or(false) }
}
