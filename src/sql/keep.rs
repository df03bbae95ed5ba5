//! What keeps a mart at a writer's commit: the body of a function that computes the rows of the keys which one transaction affects,
//! and writes those that differ.
//!
//! A writer takes locks on the groups before it computes them, so that of two who affect one group the second sees what the first
//! wrote. Where the keys follow from the logged rows alone, each key has its lock; where they are found by joins with rows that another
//! may write just now, there is one lock for all of them, and it is taken before the keys are looked for.

mod merge;
mod written;

use std::fmt::Write as _;

use self::written::{one_column, written};
use super::fresh::{FreshView, asked_by, logged, position, with_logs};
use crate::state::{Changes, Keeper, KeyColumn, QName, log_name, log_segments, quote_literal};

/// How many locks a mart has whose groups can be told apart.
const LOCKS: u32 = 1_024;

/// Types whose equal values have one hash.
const HASHED: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "oid",
    "boolean",
    "numeric",
    "date",
    "timestamp without time zone",
    "timestamp with time zone",
    "uuid",
    "text",
    "character varying",
    "character",
];

/// A mart that is kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// Its rows, and what they follow.
    pub view: FreshView<'a>,
    /// The columns of its primary key.
    pub primary_key: &'a [String],
    /// It has another unique index.
    pub unique: bool,
    /// Who it belongs to, and the function with it.
    pub owner: &'a str,
    /// What `enable_seqscan` is while rows are computed. The function begins without: nothing tells the planner how long a log is that
    /// grows and is emptied all the time.
    pub scans: &'a str,
}

/// The key columns by whose values locks are told apart; `None`: one lock is for all groups.
pub fn told_apart(changes: &Changes) -> Option<Vec<usize>> {
    let alone = |affected: &Option<String>| affected.as_ref().is_some_and(|text| !text.contains("{all:"));
    if !changes.sources.iter().all(|source| alone(&source.affected)) {
        return None;
    }
    let hashed = |key: &KeyColumn| HASHED.contains(&bare(&key.type_name).as_str());
    let columns: Vec<usize> = (0..changes.key.len()).filter(|at| hashed(&changes.key[*at])).collect();
    (!columns.is_empty()).then_some(columns)
}

/// `timestamp(3) with time zone` is `timestamp with time zone`.
fn bare(type_name: &str) -> String {
    match (type_name.find('('), type_name.find(')')) {
        (Some(start), Some(end)) if start < end => format!("{}{}", &type_name[..start], &type_name[end + 1..]),
        _ => type_name.to_owned(),
    }
}

/// The body, of a function with the argument `datamart_me`: the transaction whose changes are looked at. NULL stands for all changes
/// since the mart's position; where the logs do not tell them, all rows are computed.
///
/// All of it is one subtransaction, so that what goes wrong is nobody's failed write; a second one begins where keys cannot be computed.
pub fn kept_body(kept: &Kept<'_>) -> String {
    let changes = kept.view.changes;
    let keys: Vec<usize> = asked_by(changes).into_iter().map(|(at, _)| at).collect();
    let apart = told_apart(changes);
    let mart = kept.view.rows;
    let mut text = format!(
        "#variable_conflict use_column\nBEGIN\n{}{}BEGIN\nLOOP\n    BEGIN\n{}",
        as_owner(kept),
        declared(changes, &keys),
        there(kept)
    );
    if apart.is_none() {
        let _ = writeln!(text, "        datamart_locks := ARRAY[0];\n        {}", locked(kept));
    }
    let by_me = gathered(kept, apart.as_deref(), "l.datamart_xid = datamart_me");
    let since = gathered(kept, None, "NOT pg_catalog.pg_visible_in_snapshot(l.datamart_xid, datamart_since)");
    let _ = write!(
        text,
        "        IF datamart_all THEN\n            NULL;\n        ELSIF datamart_me IS NOT NULL THEN\n{by_me}\
         \x20           IF datamart_poisoned THEN\n                RETURN;\n            END IF;\n        ELSE\n\
         \x20           datamart_since := (SELECT p.snapshot FROM (\n{}\n) AS p);\n\
         \x20           IF datamart_since IS NULL THEN\n                datamart_all := true;\n            ELSE\n{since}\
         \x20               datamart_all := datamart_all OR datamart_poisoned;\n            END IF;\n        END IF;\n",
        position(&kept.view),
    );
    // From here on the planner knows better.
    let _ = writeln!(
        text,
        "        datamart_scans := pg_catalog.set_config('enable_seqscan', {}, true);",
        quote_literal(kept.scans)
    );
    if apart.is_some() {
        let all = format!("ARRAY(SELECT n FROM pg_catalog.generate_series(0, {}) AS s (n))", LOCKS - 1);
        let _ = writeln!(
            text,
            "        IF datamart_all THEN\n            datamart_locks := {all};\n        END IF;\n        \
             IF datamart_all OR datamart_keys > 0 THEN\n        {}\n        END IF;",
            locked(kept)
        );
    }
    // Without the filters of the query a key may be computed of what the query never computes with.
    let _ = write!(
        text,
        "        datamart_found := true;\n{}        EXIT;\n    EXCEPTION\n        WHEN data_exception THEN\n            \
         IF datamart_found THEN\n                RAISE;\n            END IF;\n            datamart_all := true;\n{}    END;\nEND LOOP;\nEND;\nEND;\n",
        written(kept, &keys),
        left(mart, one_column(kept, &keys)),
    );
    text
}

/// The owner of a function may have it run as whoever calls it, who may be anybody. This comes before any name is looked for where the
/// function's settings say. A role may have another name since.
fn as_owner(kept: &Kept<'_>) -> String {
    let mart = kept.view.rows;
    let function = Keeper::new(kept.view.registry, kept.view.project).mart(mart);
    let [schema, name] = [&function.schema, &function.name].map(|text| quote_literal(text));
    format!(
        "    IF CURRENT_USER OPERATOR(pg_catalog.<>) {}::pg_catalog.name THEN\n        \
         IF NOT EXISTS (SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace \
         WHERE n.nspname OPERATOR(pg_catalog.=) {schema} AND p.proname OPERATOR(pg_catalog.=) {name} \
         AND pg_catalog.pg_get_userbyid(p.proowner) OPERATOR(pg_catalog.=) CURRENT_USER) THEN\n            \
         RAISE WARNING '{} does not show this change until it is refreshed: its function does not run as its owner';\n            \
         RETURN;\n        END IF;\n    END IF;\n",
        quote_literal(kept.owner),
        in_message(mart),
    )
}

/// A name, in a text that `RAISE` is given.
fn in_message(mart: &QName) -> String {
    mart.to_string().replace('\'', "''").replace('%', "%%")
}

fn declared(changes: &Changes, keys: &[usize]) -> String {
    let mut text = String::from(
        "DECLARE\n    datamart_early pg_catalog.bool;\n    datamart_scans pg_catalog.text;\n    datamart_since pg_catalog.pg_snapshot;\n    datamart_all pg_catalog.bool := false;\n    \
         datamart_poisoned pg_catalog.bool := false;\n    datamart_found pg_catalog.bool := false;\n    \
         datamart_written pg_catalog.int8;\n    datamart_keys pg_catalog.int8 := 0;\n    \
         datamart_locks pg_catalog.int4[];\n    datamart_parts pg_catalog.int4 := 0;\n",
    );
    for at in keys {
        let of = &changes.key[*at].type_name;
        let _ = writeln!(text, "    datamart_k{at} {of}[];\n    datamart_n{at} pg_catalog.bool := false;");
        if changes.key[*at].range.is_some() {
            let _ = writeln!(text, "    datamart_lo{at} {of};\n    datamart_hi{at} {of};");
        }
    }
    if let Some(at) = first_range(changes, keys) {
        let of = &changes.key[at].type_name;
        let _ = writeln!(text, "    datamart_each {of}[];\n    datamart_null pg_catalog.bool;");
    }
    text
}

fn first_range(changes: &Changes, keys: &[usize]) -> Option<usize> {
    keys.iter().copied().find(|at| changes.key[*at].range.is_some())
}

/// The mart's rows stay the table that they are from here on. A transaction that keeps its first snapshot must not write to a table
/// that it does not see as it is, nor where a refresh wrote since.
fn there(kept: &Kept<'_>) -> String {
    let mart = kept.view.rows;
    let locks = Keeper::new(kept.view.registry, kept.view.project).locks();
    let [name, schema, relation] = [&mart.to_string(), &mart.schema, &mart.name].map(|text| quote_literal(text));
    let kept = format!(
        "EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.oid = pg_catalog.to_regclass({name}) AND n.nspname = {schema} AND c.relname = {relation} \
         AND c.relfilenode = pg_catalog.pg_relation_filenode(c.oid))"
    );
    format!(
        "    IF pg_catalog.has_table_privilege(pg_catalog.to_regclass({name}), 'INSERT') IS NOT TRUE THEN\n        RETURN;\n    END IF;\n    \
         LOCK TABLE {mart} IN ROW EXCLUSIVE MODE;\n    \
         datamart_early := pg_catalog.current_setting('transaction_isolation') IN ('repeatable read', 'serializable');\n    \
         IF datamart_early THEN\n        IF NOT {kept} THEN\n            \
         RAISE EXCEPTION 'could not serialize access due to {{mart}} being made anew' USING ERRCODE = '40001';\n        \
         END IF;\n        \
         INSERT INTO {locks} (mart, number) VALUES ({name}, -1) ON CONFLICT DO NOTHING;\n        \
         PERFORM FROM {locks} AS l WHERE l.mart = {name} AND l.number = -1 FOR SHARE;\n    END IF;\n"
    )
    .replace("{mart}", &in_message(mart))
}

/// Takes the locks that were found, in their order. A transaction that keeps its first snapshot fails here where somebody had one of
/// them since.
fn locked(kept: &Kept<'_>) -> String {
    let locks = Keeper::new(kept.view.registry, kept.view.project).locks();
    let mart = quote_literal(&kept.view.rows.to_string());
    // All changes at once are looked at where nobody else keeps the mart. One lock is the rule, and costs a third of what many do.
    let taken = "ON CONFLICT (mart, number) DO UPDATE SET times = l.times + 1;";
    format!(
        "IF datamart_me IS NULL THEN\n            datamart_locks := ARRAY[-1];\n        END IF;\n        \
         IF pg_catalog.cardinality(datamart_locks) = 1 THEN\n            \
         INSERT INTO {locks} AS l (mart, number) VALUES ({mart}, datamart_locks[1]) {taken}\n        ELSE\n            \
         INSERT INTO {locks} AS l (mart, number) SELECT DISTINCT {mart}, n.number FROM pg_catalog.unnest(datamart_locks) AS n (number) ORDER BY n.number\n            \
         {taken}\n        END IF;"
    )
}

/// What is not about the values that somebody writes does not keep them from it: the mart is behind until it is refreshed. Who waits no
/// longer for a lock is told so. Rows that come `by_key` and are two of one key are the mart's business, as they are by its indexes.
fn left(mart: &QName, by_key: bool) -> String {
    let mart = in_message(mart);
    let twice = if by_key { " OR cardinality_violation" } else { "" };
    format!(
        "        WHEN syntax_error_or_access_rule_violation OR invalid_schema_name OR feature_not_supported OR object_not_in_prerequisite_state \
         OR integrity_constraint_violation{twice} THEN\n            \
         IF SQLSTATE = '55P03' THEN\n                RAISE;\n            END IF;\n            \
         RAISE WARNING '{mart} does not show this change until it is refreshed: %', SQLERRM;\n            RETURN;\n"
    )
}

/// Finds the keys that the logged rows of a condition may affect.
fn gathered(kept: &Kept<'_>, apart: Option<&[usize]>, condition: &str) -> String {
    let changes = kept.view.changes;
    let mut logs = Vec::new();
    let (mut poisoned, mut all) = (Vec::new(), Vec::new());
    let mut found = Vec::new();
    for (at, source) in changes.sources.iter().enumerate() {
        let log = log_name(kept.view.registry, kept.view.project, &source.table);
        let columns = logged(source);
        let segments = log_segments(&log)
            .map(|segment| format!("SELECT l.datamart_mark{columns} FROM {segment} AS l WHERE {condition}"));
        logs.push(format!("datamart_changed_{at} AS MATERIALIZED (\n{}\n)", segments.join("\nUNION ALL\n")));
        let marked = |condition: &str| format!("EXISTS (SELECT FROM datamart_changed_{at} AS d WHERE {condition})");
        poisoned.push(marked("d.datamart_mark = 'P'"));
        all.push(marked(if source.affected.is_some() { "d.datamart_mark = 'T'" } else { "true" }));
        let texts =
            source.affected.iter().flat_map(|text| with_logs(text, changes, &|at| format!("datamart_changed_{at}")));
        found.extend(texts.map(|text| format!("SELECT * FROM (\n{text}\n) AS a")));
    }
    let names: Vec<String> = (0..changes.key.len()).map(|at| format!("k{at}")).collect();
    let (mut columns, mut into) = (vec!["count(*)".to_owned()], vec!["datamart_keys".to_owned()]);
    for (at, key) in asked_by(changes) {
        // Keys of one column are told apart as they are found.
        let distinct = if changes.key.len() == 1 { "" } else { "DISTINCT " };
        columns.push(format!("pg_catalog.array_agg({distinct}k.k{at}) FILTER (WHERE k.k{at} IS NOT NULL)"));
        columns.push(format!("COALESCE(pg_catalog.bool_or(k.k{at} IS NULL), false)"));
        into.extend([format!("datamart_k{at}"), format!("datamart_n{at}")]);
        if key.range.is_some() {
            columns.extend([format!("min(k.k{at})"), format!("max(k.k{at})")]);
            into.extend([format!("datamart_lo{at}"), format!("datamart_hi{at}")]);
        }
    }
    if let Some(apart) = apart {
        let row: Vec<String> = apart.iter().map(|at| format!("k.k{at}")).collect();
        columns.push(format!(
            "pg_catalog.array_agg((pg_catalog.hash_record_extended(ROW({}), 0) & {})::pg_catalog.int4)",
            row.join(", "),
            LOCKS - 1
        ));
        into.push("datamart_locks".to_owned());
    }
    columns.extend([poisoned.join(" OR "), all.join(" OR ")]);
    into.extend(["datamart_poisoned".to_owned(), "datamart_all".to_owned()]);
    format!(
        "WITH {}\nSELECT {}\nINTO {}\nFROM (\n{}\n) AS k ({});\n",
        logs.join(",\n"),
        columns.join(",\n  "),
        into.join(", "),
        found.join("\nUNION\n"),
        names.join(", ")
    )
}
