//! The function that fills a log of changes.

use crate::state::{ChangeLog, Keeper, LoggedColumn, quote_ident, quote_idents, quote_literal};

use super::log_type::{told_apart, type_value};

/// `CREATE OR REPLACE FUNCTION …`: what is written from now on goes to this segment. Everything in it names its schema, so that
/// it needs no search path of its own, which would cost as much as the rest of it.
pub fn function(log: &ChangeLog, segment: usize) -> String {
    let name = log.name();
    let body = body(log, segment);
    // A column may be called anything.
    let quote = if body.contains("$capture$") { "$datamart_capture$" } else { "$capture$" };
    format!(
        "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS {quote}\n{body}{quote}"
    )
}

fn body(log: &ChangeLog, segment: usize) -> String {
    let segments = log.segments();
    let into = &segments[segment % segments.len()];
    let there = quote_literal(&into.to_string());
    let mark = |mark: &str| {
        format!("INSERT INTO {into} (datamart_xid, datamart_mark) VALUES (pg_catalog.pg_current_xact_id(), '{mark}');")
    };
    // Without the log there is nothing to write to.
    let gone = format!(
        "    IF pg_catalog.has_table_privilege(pg_catalog.to_regclass({there}), 'INSERT') IS NOT TRUE THEN\n        RETURN NULL;\n    END IF;\n"
    );
    let truncated = format!("    IF TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' THEN\n        {}\n", mark("T"));
    if log.columns.is_empty() {
        return format!(
            "BEGIN\n{gone}{truncated}    ELSE\n        INSERT INTO {into} (datamart_xid) VALUES (pg_catalog.pg_current_xact_id());\n    END IF;\n{}    RETURN NULL;\nEND;\n",
            noted(log, "")
        );
    }
    let columns = column_list(log);
    let rows = told_apart_all(log);
    let insert = |from: &str| {
        format!(
            "INSERT INTO {into} (datamart_xid, {columns}) SELECT pg_catalog.pg_current_xact_id(), n.* FROM (SELECT {rows} FROM {from}) AS n;"
        )
    };
    let event = |event: &str, shape: &str, from: &str| {
        format!(
            "    ELSIF TG_OP OPERATOR(pg_catalog.=) '{event}' THEN\n        same := ({});\n        IF same THEN\n            {}\n        END IF;\n",
            same(log, shape),
            insert(from)
        )
    };
    let both = format!("(SELECT {columns} FROM datamart_old UNION ALL SELECT {columns} FROM datamart_new) AS b");
    let events = [
        event("INSERT", "datamart_new", "datamart_new"),
        event("UPDATE", "datamart_new", &both),
        event("DELETE", "datamart_old", "datamart_old"),
    ]
    .concat();
    let moved = mark("P");
    format!(
        "#variable_conflict use_column\nDECLARE\n    same pg_catalog.bool;\nBEGIN\n{gone}{truncated}{events}    END IF;\n    IF NOT same THEN\n        {moved}\n    END IF;\n{}    RETURN NULL;\nEND;\n",
        noted(log, "(same IS NOT NULL OR TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE') AND ")
    )
}

/// Notes once that the transaction has something to do before it is committed, where it wrote anything.
fn noted(log: &ChangeLog, wrote: &str) -> String {
    if !log.commits {
        return String::new();
    }
    let table = Keeper::new(&log.registry, &log.project).transactions();
    let there = quote_literal(&table.to_string());
    format!(
        "    IF {wrote}pg_catalog.has_table_privilege(pg_catalog.to_regclass({there}), 'INSERT') THEN\n        \
         INSERT INTO {table} (xid) VALUES (pg_catalog.pg_current_xact_id()) ON CONFLICT DO NOTHING;\n    END IF;\n"
    )
}

/// Whether the columns have the types they had: null where the statement wrote no row. A column that is gone or renamed is found
/// in the outer query, where it has a type that no logged column has. Beside an untyped NULL, coalesce has the type behind a domain,
/// which is what the log keeps.
fn same(log: &ChangeLog, rows: &str) -> String {
    let names: Vec<String> = log.columns.iter().map(|column| quote_ident(&column.name)).collect();
    let typed = |(at, column): (usize, &LoggedColumn)| {
        format!(
            "pg_catalog.pg_typeof(coalesce(n.c{at}, NULL)) OPERATOR(pg_catalog.=) {}",
            type_value(&column.type_name)
        )
    };
    let typed: Vec<String> = log.columns.iter().enumerate().map(typed).collect();
    let moved: Vec<String> = names.iter().map(|name| format!("NULL::pg_catalog.pg_snapshot AS {name}")).collect();
    let numbers: Vec<String> = (0..names.len()).map(|at| format!("c{at}")).collect();
    // A type that somebody dropped is no type at all.
    format!(
        "SELECT ({}) IS TRUE FROM (SELECT {}) AS moved CROSS JOIN LATERAL (SELECT {} FROM {rows} LIMIT 1) AS n ({})",
        typed.join(" AND "),
        moved.join(", "),
        names.join(", "),
        numbers.join(", ")
    )
}

/// Equal rows of a statement are one, where nothing is lost by that.
fn told_apart_all(log: &ChangeLog) -> String {
    let columns = log.columns.iter().map(|column| told_apart(&quote_ident(&column.name), &column.type_name));
    match columns.collect::<Option<Vec<String>>>() {
        Some(columns) => format!("DISTINCT {}", columns.join(", ")),
        None => column_list(log),
    }
}

/// The names of the logged columns, quoted.
fn column_list(log: &ChangeLog) -> String {
    quote_idents(log.columns.iter().map(|column| &column.name))
}
