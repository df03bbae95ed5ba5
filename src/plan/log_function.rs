//! The function that fills a log of changes.

use crate::sql::exact_value;
use crate::state::{ChangeLog, Keeper, LoggedColumn, quote_ident, quote_idents, quote_literal};

use super::log_type::type_value;

/// `CREATE OR REPLACE FUNCTION …`: what is written from now on goes to this segment. Everything in it names its schema, so that
/// it needs no search path of its own, which would cost as much as the rest of it.
pub fn function(log: &ChangeLog, segment: usize) -> String {
    let name = log.name();
    let body = body(log, segment);
    // A column may be called anything.
    let mut quote = "$capture$".to_owned();
    while body.contains(&quote) {
        quote.insert_str(1, "datamart_");
    }
    format!(
        "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS {quote}\n{body}{quote}"
    )
}

/// What it does. Its parts are few: each costs the writer of one row as much as a look into an index.
fn body(log: &ChangeLog, segment: usize) -> String {
    let segments = log.segments();
    let into = &segments[segment % segments.len()];
    let mark = |mark: &str| {
        format!("INSERT INTO {into} (datamart_xid, datamart_mark) VALUES (pg_catalog.pg_current_xact_id(), '{mark}');")
    };
    // Without the log there is nothing to write to.
    let there = format!(
        "pg_catalog.has_table_privilege(pg_catalog.to_regclass({}), 'INSERT')",
        quote_literal(&into.to_string())
    );
    let is = |event: &str| format!("TG_OP OPERATOR(pg_catalog.=) '{event}' AND {there}");
    if log.columns.is_empty() {
        return format!(
            "BEGIN\n    IF {} THEN\n        {}\n    ELSIF {there} THEN\n        INSERT INTO {into} (datamart_xid) VALUES (pg_catalog.pg_current_xact_id());\n    ELSE\n        {}\n    END IF;\n{}    RETURN NULL;\nEND;\n",
            is("TRUNCATE"),
            mark("T"),
            elsewhere(&into.name),
            noted(log),
        );
    }
    let columns = column_list(log);
    let insert = |rows: &str, from: &str| {
        format!(
            "INSERT INTO {into} (datamart_xid, {columns}) SELECT pg_catalog.pg_current_xact_id(), n.* FROM (SELECT {rows} FROM {from}) AS n;"
        )
    };
    let event = |event: &str, shape: &str, from: &str| {
        let written = match told_apart_all(log) {
            // One row is distinct as it is.
            Some(distinct) if from == shape => format!(
                "IF seen OPERATOR(pg_catalog.=) 1 THEN\n            {}\n        ELSIF seen OPERATOR(pg_catalog.>) 1 THEN\n            {}\n",
                insert(&columns, from),
                insert(&distinct, from)
            ),
            rows => {
                let rows = rows.as_ref().unwrap_or(&columns);
                format!("IF seen OPERATOR(pg_catalog.>) 0 THEN\n            {}\n", insert(rows, from))
            }
        };
        format!(
            "{} THEN\n        PERFORM {};\n        GET DIAGNOSTICS seen = ROW_COUNT;\n        {written}        ELSE\n            \
             PERFORM FROM {shape} LIMIT 1;\n            IF FOUND THEN\n                {}\n            END IF;\n        END IF;\n",
            is(event),
            same(log, shape),
            mark("P"),
        )
    };
    let both = format!("(SELECT {columns} FROM datamart_old UNION ALL SELECT {columns} FROM datamart_new) AS b");
    let events = [
        event("INSERT", "datamart_new", "datamart_new"),
        event("UPDATE", "datamart_new", &both),
        event("DELETE", "datamart_old", "datamart_old"),
        format!("{} THEN\n        {}\n", is("TRUNCATE"), mark("T")),
    ];
    format!(
        "#variable_conflict use_column\nDECLARE\n    seen pg_catalog.int8;\nBEGIN\n    IF {}    ELSIF {there} IS NOT TRUE THEN\n        {}\n    END IF;\n{}    RETURN NULL;\nEND;\n",
        events.join("    ELSIF "),
        elsewhere(&into.name),
        noted(log)
    )
}

/// Somebody renamed the schema of the logs, and this function with it: that something was not logged is marked beside it, wherever that
/// is, so that nobody takes the log for complete under this name or any other.
fn elsewhere(segment: &str) -> String {
    let segment = quote_literal(segment);
    format!(
        "EXECUTE coalesce((SELECT pg_catalog.format('INSERT INTO %s (datamart_xid, datamart_mark) VALUES (pg_catalog.pg_current_xact_id(), ''P'')', c.oid::pg_catalog.regclass) \
         FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid \
         JOIN pg_catalog.pg_class AS c ON c.relnamespace OPERATOR(pg_catalog.=) p.pronamespace \
         WHERE t.tgrelid OPERATOR(pg_catalog.=) TG_RELID AND t.tgname OPERATOR(pg_catalog.=) TG_NAME AND c.relname OPERATOR(pg_catalog.=) {segment} \
         AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')), 'SELECT');"
    )
}

/// Notes once that the transaction has something to do before it is committed, where it wrote anything.
fn noted(log: &ChangeLog) -> String {
    if !log.commits {
        return String::new();
    }
    let table = Keeper::new(&log.registry, &log.project).transactions();
    let there = quote_literal(&table.to_string());
    // The last statement was the one that wrote, or found nothing to write.
    format!(
        "    IF FOUND AND pg_catalog.has_table_privilege(pg_catalog.to_regclass({there}), 'INSERT') THEN\n        \
         INSERT INTO {table} (xid) VALUES (pg_catalog.pg_current_xact_id()) ON CONFLICT DO NOTHING;\n    END IF;\n"
    )
}

/// Two rows at most of what the statement wrote, if the columns have the types they had. A column that is gone or renamed is found
/// in the outer query, where it has a type that no logged column has. Beside an untyped NULL, coalesce has the type behind a domain,
/// which is what the log keeps.
fn same(log: &ChangeLog, rows: &str) -> String {
    let names: Vec<String> = log.columns.iter().map(|column| quote_ident(&column.name)).collect();
    // A type that somebody dropped is no type at all.
    let typed = |(at, column): (usize, &LoggedColumn)| {
        format!(
            "pg_catalog.pg_typeof(coalesce(n.c{at}, NULL)) OPERATOR(pg_catalog.=) {}",
            type_value(&column.type_name)
        )
    };
    let typed: Vec<String> = log.columns.iter().enumerate().map(typed).collect();
    let moved: Vec<String> = names.iter().map(|name| format!("NULL::pg_catalog.pg_snapshot AS {name}")).collect();
    let numbers: Vec<String> = (0..names.len()).map(|at| format!("c{at}")).collect();
    format!(
        "FROM (SELECT {}) AS moved CROSS JOIN LATERAL (SELECT {} FROM {rows}) AS n ({}) WHERE {} LIMIT 2",
        moved.join(", "),
        names.join(", "),
        numbers.join(", "),
        typed.join(" AND ")
    )
}

/// Equal rows of a statement are one; `None` where something would be lost by that.
fn told_apart_all(log: &ChangeLog) -> Option<String> {
    let columns = log.columns.iter().map(|column| exact_value(&quote_ident(&column.name), &column.type_name));
    Some(format!("DISTINCT {}", columns.collect::<Option<Vec<String>>>()?.join(", ")))
}

/// The names of the logged columns, quoted.
fn column_list(log: &ChangeLog) -> String {
    quote_idents(log.columns.iter().map(|column| &column.name))
}
