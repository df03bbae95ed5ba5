//! Keys that make no sense for a mart's kind.

use super::report::Report;
use super::section::Section;
use crate::state::Kind;

/// Options of views. <https://www.postgresql.org/docs/current/sql-createview.html>
const VIEW_OPTIONS: &[&str] = &["security_invoker", "security_barrier", "check_option"];

/// Refuses what a mart of this kind cannot have.
pub(super) fn check(root: &Section<'_>, kind: Kind, report: &mut Report) {
    match kind {
        Kind::View => {
            for (key, help) in [
                ("refresh", "a view is always up to date; remove it, or use another type"),
                ("indexes", "use `type = \"materialized_view\"` or \"table\""),
                ("primary_key", "use `type = \"table\"`"),
                ("publish", "use `type = \"table\"`"),
                ("tablespace", "a view stores nothing; remove it"),
                ("retention", "restrict its query, or use `type = \"table\"`"),
            ] {
                refuse(root, key, "a view", help, report);
            }
        }
        Kind::MaterializedView => {
            let help = "use `type = \"table\"`";
            refuse(root, "primary_key", "a materialized view", help, report);
            refuse(root, "publish", "a materialized view", help, report);
            let help = "restrict its query, or use `type = \"table\"`";
            refuse(root, "retention", "a materialized view", help, report);
        }
        Kind::Table => {}
        Kind::PartitionedTable => {
            let help = "remove it: the partitions that differ are exchanged";
            refuse(root, "publish", "a partitioned table", help, report);
            let versions = root.section("versions");
            if versions.str("on") == Some("refresh") {
                let message = "each refresh would copy every partition, and a refresh exchanges those that differ";
                report.error(versions.span("on"), versions.path("on"), message, "use `on = \"change\"`");
            }
        }
    }
    if !kind.is_table() {
        let columns = root.section("columns");
        for (name, _) in columns.keys() {
            let column = columns.section(name);
            if column.bool("not_null") == Some(true) {
                report.error(
                    column.key_span("not_null"),
                    column.path("not_null"),
                    format!("{} cannot have NOT NULL columns", article(kind)),
                    "use `type = \"table\"`, or remove it",
                );
            }
        }
    }
    options(&root.section("with"), kind, report);
}

fn refuse(root: &Section<'_>, key: &str, kind: &str, help: &str, report: &mut Report) {
    if root.has(key) {
        let message = format!("{kind} cannot have `{key}`");
        report.error(root.key_span(key), key, message, help);
    }
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::View => "a view",
        Kind::MaterializedView => "a materialized view",
        Kind::Table => "a table",
        Kind::PartitionedTable => "a partitioned table",
    }
}

fn options(with: &Section<'_>, kind: Kind, report: &mut Report) {
    for (name, span) in with.keys() {
        let of_view = VIEW_OPTIONS.contains(&name);
        let path = with.path(name);
        if !is_parameter(name) {
            let message = format!("{name:?} is not the name of a parameter");
            report.error(span, path, message, "write for example `with = { fillfactor = 90 }`");
        } else if kind == Kind::View && !of_view {
            let message = format!("a view has no option `{name}`");
            let help = format!("a view's options are {}", VIEW_OPTIONS.join(", "));
            report.error(span, path, message, help);
        } else if kind != Kind::View && of_view {
            let message = format!("`{name}` is an option of views, not of {}", article(kind));
            report.error(span, path, message, "remove it, or use `type = \"view\"`");
        }
    }
}

/// `fillfactor`, `toast.autovacuum_enabled`: letters, digits and underscores, at most one dot.
pub(super) fn is_parameter(name: &str) -> bool {
    let mut parts = name.split('.');
    let good = parts.by_ref().take(2).all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    good && parts.next().is_none()
}
