//! The view that a fresh mart is published as: the rows whose key has nothing pending, and the query for the keys that have.
//!
//! Which keys are pending is told by the logs, at the reader's own snapshot. Both halves ask the same question of a row, so that
//! a question that means too many keys costs time and nothing else. Where the logs do not tell everything, the view is the query.

use std::fmt::Write as _;

use super::changes::whole;
use super::logged::collated;
use crate::state::{
    ChangeSource, Changes, KeyColumn, LOG_EVENTS, LOG_SEGMENTS, QName, log_name, log_segments, log_trigger,
    quote_ident, quote_idents, quote_literal,
};

/// With more pending keys than this the query costs less than asking for each.
const MOST_KEYS: usize = 1_000;

/// Queries that one table's changes are looked up by, where each is a join of its own.
const MOST_JOINS: usize = 8;

/// A table's parts and their bounds, in a text that a position keeps.
pub const MEMBERS: &str = "coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(':', m.relation, m.going, pg_catalog.md5(c.relpartbound::text)), ' ' ORDER BY m.relation), '')";

/// The triggers of all of them, from [`TRIGGERS_OF`] each.
pub const TRIGGERS: &str = "coalesce(pg_catalog.string_agg(t.triggers, ' ' ORDER BY m.relation), '')";

/// The triggers of one of them: who disables one and enables it again leaves a trace.
pub const TRIGGERS_OF: &str =
    "pg_catalog.string_agg(pg_catalog.concat_ws(':', t.oid, t.xmin, t.tgenabled), ' ' ORDER BY t.oid)";

/// A fresh mart.
#[derive(Debug, Clone, Copy)]
pub struct FreshView<'a> {
    /// The registry's schema.
    pub registry: &'a str,
    /// The project.
    pub project: &'a str,
    /// The relation that stores the rows.
    pub rows: &'a QName,
    /// The mart's columns, in order.
    pub columns: &'a [String],
    /// How its rows follow what changed.
    pub changes: &'a Changes,
    /// The logs survive a crash.
    pub logged: bool,
    /// The time zone that the rows are computed with.
    pub timezone: &'a str,
}

/// The columns of the key by which a view can ask for rows: there is no array of arrays.
pub fn asked_by(changes: &Changes) -> Vec<(usize, &KeyColumn)> {
    changes.key.iter().enumerate().filter(|(_, key)| !key.type_name.ends_with("[]")).collect()
}

/// The view's text.
pub fn fresh_view(view: &FreshView<'_>) -> String {
    let columns = |of: &str| {
        let columns = view.columns.iter().map(|column| format!("{of}.{}", quote_ident(column)));
        columns.collect::<Vec<_>>().join(", ")
    };
    let mut text = format!("WITH datamart_position AS MATERIALIZED (\n{}\n)", position(view));
    for source in 0..view.changes.sources.len() {
        let _ = write!(text, ", datamart_changed_{source} AS MATERIALIZED (\n{}\n)", changed(view, source));
    }
    let _ = write!(text, ", datamart_pending AS MATERIALIZED (\n{}\n)\n", pending(view));
    let (kept, again) = (conditions(view.changes, Half::Rows), conditions(view.changes, Half::Query));
    let _ = write!(
        text,
        "SELECT {}\nFROM {} AS r\nWHERE (SELECT p.certain FROM datamart_pending AS p) AND ({kept}) IS NOT TRUE\nUNION ALL\n",
        columns("r"),
        view.rows
    );
    let _ = write!(
        text,
        "SELECT {}\nFROM (\n{}\n) AS q\nWHERE (SELECT p.certain AND p.found FROM datamart_pending AS p) AND {again}\nUNION ALL\n",
        columns("q"),
        query(view.changes, |at, key| {
            let of = |name: &str| format!("(SELECT p.{name}{at} FROM datamart_pending AS p)");
            within(key, &of("lo"), &of("hi"), &of("n"))
        })
    );
    let _ = write!(
        text,
        "SELECT {}\nFROM (\n{}\n) AS q\nWHERE NOT (SELECT p.certain FROM datamart_pending AS p)",
        columns("q"),
        whole(view.changes)
    );
    text
}

/// Where the rows stand, if the logs tell what they missed since: none of them was emptied by a crash or made anew, nothing
/// was restored into another cluster, and the session computes with the mart's time zone and writes values as the rows have them.
pub(super) fn position(view: &FreshView<'_>) -> String {
    let registry = quote_ident(view.registry);
    let mut text = format!(
        "SELECT p.snapshot, p.xid, p.at\nFROM {registry}.positions AS p\n\
         WHERE p.project = {} AND p.schema = {} AND p.name = {} AND p.demoted IS NULL\n  \
         AND p.fingerprint::jsonb ->> 'system' = (SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() AS c)",
        quote_literal(view.project),
        quote_literal(&view.rows.schema),
        quote_literal(&view.rows.name),
    );
    // A segment that was emptied since the reader's snapshot is another file than the snapshot knows of.
    let logs = view.changes.sources.iter().map(|source| {
        let segments = log_segments(&log_name(view.registry, view.project, &source.table));
        let files = segments.map(|segment| {
            format!("pg_catalog.pg_relation_filenode({}::pg_catalog.regclass)", quote_literal(&segment.to_string()))
        });
        let (schema, name) = (quote_literal(&source.table.schema), quote_literal(&source.table.name));
        format!("({schema}, {name}, ARRAY[{}])", files.join(", "))
    });
    let logs: Vec<String> = logs.collect();
    // A standby can read no table that a crash empties; then nothing was emptied by one, either.
    let sentinel = match view.logged {
        true => String::new(),
        false => format!("\n      JOIN {registry}.sentinels AS l USING (project, schema, name, generation)"),
    };
    if !logs.is_empty() {
        let _ = write!(
            text,
            "\n  AND (SELECT count(*) FROM {registry}.captures AS c{sentinel}\n      \
             WHERE c.project = {} AND (c.schema, c.name, c.files) IN ({})\n        \
             AND p.fingerprint::jsonb -> 'sources' @> pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object(\n          \
             'table', pg_catalog.format('%I.%I', c.schema, c.name), 'generation', c.generation))) = {}",
            quote_literal(view.project),
            logs.join(", "),
            logs.len()
        );
    }
    text.push_str(&noticed(view));
    text.push_str(&same_texts(view.changes));
    if view.changes.settings {
        let zones: Vec<String> = same_zones(view.timezone).iter().map(|zone| quote_literal(zone)).collect();
        let _ = write!(text, "\n  AND pg_catalog.current_setting('TimeZone') IN ({})", zones.join(", "));
    }
    text
}

/// Every write to a source was logged since: nobody took a trigger away, or disabled it for a while, of the table or of one of its
/// parts, its parts are those that the rows were computed from, and no policy says what is read of it. All are looked up by names: the source may be another table by then.
fn noticed(view: &FreshView<'_>) -> String {
    let sources = view.changes.sources.iter().map(|source| {
        let log = log_name(view.registry, view.project, &source.table);
        let names = LOG_EVENTS.map(|event| quote_literal(&log_trigger(view.registry, &log.name, event)));
        let [schema, name] = [&source.table.schema, &source.table.name].map(|name| quote_literal(name));
        format!(
            "\n  AND (\n      WITH RECURSIVE member (relation, going) AS (\n        \
             SELECT r.oid, false AS going FROM pg_catalog.pg_class AS r JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace\n        \
             WHERE n.nspname = {schema} AND r.relname = {name}\n        UNION ALL\n        \
             SELECT i.inhrelid, m.going OR i.inhdetachpending FROM member AS m JOIN pg_catalog.pg_inherits AS i ON i.inhparent = m.relation)\n      \
             SELECT p.fingerprint::jsonb -> 'sources' @> pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object(\n        \
             'table', pg_catalog.format('%I.%I', {schema}, {name}), 'members', {MEMBERS}, 'triggers', {TRIGGERS}))\n        \
             AND pg_catalog.bool_and(t.enabled = {} AND NOT c.relrowsecurity)\n      \
             FROM member AS m JOIN pg_catalog.pg_class AS c ON c.oid = m.relation\n      CROSS JOIN LATERAL (\n        \
             SELECT {TRIGGERS_OF} AS triggers, count(*) FILTER (WHERE t.tgenabled = 'A') AS enabled\n        \
             FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = m.relation AND t.tgname IN ({})) AS t)",
            LOG_EVENTS.len(),
            names.join(", "),
        )
    });
    sources.collect()
}

/// Whether texts of values are those that the rows were computed with. Drivers differ in what changes no text: digits of floats beyond
/// the shortest, and the order in which dates are read, where the query reads none.
fn same_texts(changes: &Changes) -> String {
    let word = |at: u8| format!("pg_catalog.split_part(p.fingerprint::jsonb ->> 'server', ' ', {at})");
    let is = |name: &str| format!("pg_catalog.current_setting('{name}')");
    let style = format!("{} || ' ' || {} = {}", word(1), word(2), is("DateStyle"));
    // A constant was read when the view was made.
    let read = |cast: &&str| changes.query.match_indices(*cast).any(|(at, _)| !changes.query[..at].ends_with('\''));
    let dates = ["::date", "::time", "::interval"].iter().any(read);
    let style = match dates {
        true => style,
        false => format!("({style} OR {} = 'ISO,' AND pg_catalog.starts_with({}, 'ISO,'))", word(1), is("DateStyle")),
    };
    format!(
        "\n  AND {style} AND {} = {} AND ({} IN ('1', '2', '3')) = ({} IN ('1', '2', '3')) AND {} = {}",
        word(3),
        is("IntervalStyle"),
        word(4),
        is("extra_float_digits"),
        word(5),
        is("bytea_output"),
    )
}

/// The names of a time zone: that of UTC has many.
fn same_zones(zone: &str) -> Vec<&str> {
    const UTC: [&str; 6] = ["UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Etc/UCT"];
    if UTC.contains(&zone) { UTC.to_vec() } else { vec![zone] }
}

/// What a source logged that the rows have not seen, uncommitted changes of the reader's own transaction among it.
fn changed(view: &FreshView<'_>, source: usize) -> String {
    let source = &view.changes.sources[source];
    let log = log_name(view.registry, view.project, &source.table);
    let columns: String = source.columns.iter().map(|column| format!(", l.{}", quote_ident(&column.name))).collect();
    let collated = logged(source);
    let segments: [String; LOG_SEGMENTS] = log_segments(&log)
        .map(|segment| format!("SELECT l.datamart_xid, l.datamart_mark{collated} FROM {segment} AS l"));
    // An equality is what the planner takes for rare: it knows nothing of snapshots, and these rows are few.
    format!(
        "SELECT l.datamart_mark{columns}\nFROM (\n{}\n) AS l\n\
         WHERE EXISTS (SELECT FROM datamart_position)\n  \
         AND CASE WHEN pg_catalog.pg_visible_in_snapshot(l.datamart_xid, (SELECT p.snapshot FROM datamart_position AS p))\n           \
         OR l.datamart_xid = (SELECT p.xid FROM datamart_position AS p) THEN 0 ELSE 1 END = 1",
        segments.join("\nUNION ALL\n")
    )
}

/// The columns of its log, each behind a comma.
pub(super) fn logged(source: &ChangeSource) -> String {
    collated(source, |column| format!("l.{}", quote_ident(&column.name)))
        .iter()
        .map(|column| format!(", {column}"))
        .collect()
}

/// The pending keys, column by column; whether there are any; whether the logs tell them all.
fn pending(view: &FreshView<'_>) -> String {
    let changes = view.changes;
    let mut certain = vec!["EXISTS (SELECT FROM datamart_position)".to_owned(), format!("count(*) <= {MOST_KEYS}")];
    let mut keys = Vec::new();
    for (at, source) in changes.sources.iter().enumerate() {
        let what = if source.affected.is_some() { "d.datamart_mark IS NOT NULL" } else { "true" };
        certain.push(format!("NOT EXISTS (SELECT FROM datamart_changed_{at} AS d WHERE {what})"));
        keys.extend(
            source
                .affected
                .iter()
                .flat_map(|affected| with_logs(affected, changes, &|at| format!("datamart_changed_{at}"))),
        );
    }
    let since = "(SELECT p.at FROM datamart_position AS p)";
    keys.extend(changes.moving.iter().map(|moving| moving.affected.replace("{since}", since)));
    let names: Vec<String> = (0..changes.key.len()).map(|at| format!("k{at}")).collect();
    let columns = asked_by(changes).into_iter().map(|(at, key)| {
        let bounds = match key.range {
            Some(_) => format!(", min(k.k{at}) AS lo{at}, max(k.k{at}) AS hi{at}"),
            None => String::new(),
        };
        format!(
            "pg_catalog.array_agg(DISTINCT k.k{at}) FILTER (WHERE k.k{at} IS NOT NULL) AS k{at}, \
             COALESCE(pg_catalog.bool_or(k.k{at} IS NULL), false) AS n{at}{bounds}"
        )
    });
    let columns: Vec<String> = columns.collect();
    let keys = keys.iter().map(|keys| format!("SELECT * FROM (\n{keys}\n) AS a")).collect::<Vec<_>>();
    format!(
        "SELECT {},\n  count(*) > 0 AS found,\n  {} AS certain\nFROM (\n{}\n) AS k ({})",
        columns.join(",\n  "),
        certain.join("\n    AND "),
        keys.join("\nUNION\n"),
        names.join(", ")
    )
}

/// A query that gives affected keys, with its relations: of each place that stands for a table's rows with what was logged of it, one
/// query reads the rows and one the log, since a union below a join keeps the join from the table's indexes.
pub(super) fn with_logs(affected: &str, changes: &Changes, log: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut texts = vec![affected.to_owned()];
    for (at, source) in changes.sources.iter().enumerate() {
        let log = log(at);
        let (all, delta) = (format!("{{all:{at}}}"), format!("{{delta:{at}}}"));
        let (table, columns) = (source.table.to_string(), source.columns.iter().map(|column| &column.name));
        let both = || {
            let columns = quote_idents(columns.clone());
            format!("(SELECT {columns} FROM {table} UNION ALL SELECT {columns} FROM {log} AS logged)")
        };
        texts.iter_mut().for_each(|text| *text = text.replace(&delta, &log));
        while texts.iter().any(|text| text.contains(&all)) {
            texts = match texts.len() < MOST_JOINS {
                true => texts
                    .iter()
                    .flat_map(|text| [text.replacen(&all, &table, 1), text.replacen(&all, &log, 1)])
                    .collect(),
                false => texts.iter().map(|text| text.replacen(&all, &both(), 1)).collect(),
            };
        }
    }
    texts.dedup();
    texts
}

/// Which half of the view a row is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    /// Rows that are stored: looked up, one by one.
    Rows,
    /// Rows of the query: an array reaches the indexes below an aggregate, which a sub-select does not.
    Query,
}

/// Whether a row's key is among those pending: each column by itself.
fn conditions(changes: &Changes, half: Half) -> String {
    let conditions = asked_by(changes).into_iter().map(|(at, key)| {
        let (of, type_name) = (if half == Half::Rows { "r" } else { "q" }, &key.type_name);
        let column = format!("{of}.{}", quote_ident(&key.name));
        let among = match half {
            Half::Rows => format!("{column} IN (SELECT pg_catalog.unnest(p.k{at}) FROM datamart_pending AS p)"),
            Half::Query => format!("{column} = ANY ((SELECT p.k{at} FROM datamart_pending AS p)::{type_name}[])"),
        };
        format!("({among} OR {column} IS NULL AND (SELECT p.n{at} FROM datamart_pending AS p))")
    });
    conditions.collect::<Vec<_>>().join(" AND ")
}

/// The query, with a condition wherever one on a key's column may stand.
pub(super) fn query(changes: &Changes, condition: impl Fn(usize, &KeyColumn) -> String) -> String {
    let keys = changes.key.iter().enumerate();
    keys.fold(changes.query.trim_end().trim_end_matches(';').to_owned(), |text, (at, key)| {
        text.replace(&format!("{{within:{at}}}"), &condition(at, key))
    })
}

/// The rows of the source that keys stand for, from the first to the last; NULL ones, where `null` says so. What the clocks do to
/// the edges in between is less than an hour.
pub(super) fn within(key: &KeyColumn, first: &str, last: &str, null: &str) -> String {
    let Some(range) = &key.range else { return "true".to_owned() };
    let (column, type_name, step) = (&range.column, &range.type_name, quote_literal(&range.step));
    format!(
        "({column} >= ({first} - '1 hour'::interval)::{type_name} AND {column} <= ({last} + {step}::interval + '1 hour'::interval)::{type_name} \
         OR {column} IS NULL AND {null})"
    )
}
