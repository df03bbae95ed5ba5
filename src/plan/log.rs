//! The statements that make, change and remove a log of changes.
//!
//! What fills a log runs in the transactions of whoever writes to the table, and must never fail them, nor cost them a
//! subtransaction. So it looks first whether the log is there and whether the columns are still what they were: by the types
//! that the parser gives them, which follow every change of the table at once, also in transactions whose snapshot is older.

use crate::state::{ChangeLog, LOG_EVENTS, QName, quote_ident, quote_literal};

use super::log_function::function;
use super::log_type::plain_type;

/// The first columns of every segment.
const OWN_COLUMNS: &str = "datamart_xid pg_catalog.xid8 NOT NULL, datamart_mark pg_catalog.\"char\"";

/// Makes the log with its function, and the rows that say so, but no trigger. One that was there is thrown away.
pub fn create_log(log: &ChangeLog) -> Vec<String> {
    let mut sql = create_tables(log);
    sql.push(register_log(log));
    sql
}

/// Its tables and its function alone, for a table that is not there yet.
pub(super) fn create_tables(log: &ChangeLog) -> Vec<String> {
    let mut sql = drop_tables(log);
    let storage = if log.logged { "" } else { "UNLOGGED " };
    let columns = log.columns.iter().map(|c| format!(", {} {}", quote_ident(&c.name), plain_type(&c.type_name)));
    let columns: String = columns.collect();
    // Nothing is ever deleted from it, and refreshes do not look at it by conditions: there is nothing for autovacuum to do.
    sql.extend(log.segments().iter().map(|segment| {
        format!("CREATE {storage}TABLE {segment} ({OWN_COLUMNS}{columns}) WITH (autovacuum_enabled = false)")
    }));
    if log.commits {
        sql.extend(log.segments().iter().map(|segment| format!("CREATE INDEX ON {segment} (datamart_xid)")));
    }
    sql.push(function(log, 0));
    let comment = quote_literal(&format!("datamart: logs which rows of {} change", log.table));
    sql.push(format!("COMMENT ON FUNCTION {}() IS {comment}", log.name()));
    sql.push(format!("REVOKE ALL ON FUNCTION {}() FROM PUBLIC", log.name()));
    sql
}

/// Puts its triggers on a table: its own, a partition of it, or one that it is a partition of. Writes of replication count, too.
pub fn attach_log(log: &ChangeLog, table: &QName) -> Vec<String> {
    let function = log.name();
    let create = |event: &str| {
        let rows = match event {
            _ if log.columns.is_empty() => "",
            "INSERT" => " REFERENCING NEW TABLE AS datamart_new",
            "UPDATE" => " REFERENCING OLD TABLE AS datamart_old NEW TABLE AS datamart_new",
            "DELETE" => " REFERENCING OLD TABLE AS datamart_old",
            _ => "",
        };
        let trigger = quote_ident(&log.trigger(event));
        format!(
            "CREATE OR REPLACE TRIGGER {trigger} AFTER {event} ON {table}{rows} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
    };
    let always = LOG_EVENTS.map(|event| format!("ENABLE ALWAYS TRIGGER {}", quote_ident(&log.trigger(event))));
    let mut sql: Vec<String> = LOG_EVENTS.iter().map(|event| create(event)).collect();
    sql.push(format!("ALTER TABLE {table} {}", always.join(", ")));
    sql
}

/// Takes its triggers off a table.
pub fn detach_log(log: &ChangeLog, table: &QName) -> Vec<String> {
    let drop = |event: &str| format!("DROP TRIGGER IF EXISTS {} ON {table}", quote_ident(&log.trigger(event)));
    LOG_EVENTS.iter().map(|event| drop(event)).collect()
}

/// Removes the log, once no trigger needs its function any more.
pub fn drop_log(log: &ChangeLog) -> Vec<String> {
    let mut sql = vec![format!("DROP FUNCTION IF EXISTS {}()", log.name())];
    sql.extend(drop_tables(log));
    for table in ["sentinels", "captures"] {
        sql.push(format!("DELETE FROM {} WHERE {}", QName::new(&log.registry, table), is(log)));
    }
    sql
}

/// Says in the log that anything may have changed: what was written while a trigger was missing, nobody knows.
pub fn poison_log(log: &ChangeLog) -> String {
    let [first, ..] = log.segments();
    format!("INSERT INTO {first} (datamart_xid, datamart_mark) VALUES (pg_catalog.pg_current_xact_id(), 'P')")
}

fn drop_tables(log: &ChangeLog) -> Vec<String> {
    vec![format!("DROP TABLE IF EXISTS {}", log.segments().map(|segment| segment.to_string()).join(", "))]
}

fn is(log: &ChangeLog) -> String {
    let [project, schema, name] = [&log.project, &log.table.schema, &log.table.name].map(|text| quote_literal(text));
    format!("project = {project} AND schema = {schema} AND name = {name}")
}

/// What the registry keeps of it: a new generation, and what it is recognised by.
pub(super) fn register_log(log: &ChangeLog) -> String {
    let registry = quote_ident(&log.registry);
    let [project, schema, name] = [&log.project, &log.table.schema, &log.table.name].map(|text| quote_literal(text));
    let array = |texts: Vec<String>| {
        let texts: Vec<String> = texts.iter().map(|text| quote_literal(text)).collect();
        format!("ARRAY[{}]::pg_catalog.text[]", texts.join(", "))
    };
    let columns = array(log.columns.iter().map(|column| column.name.clone()).collect());
    let types = array(log.columns.iter().map(|column| column.type_name.clone()).collect());
    let (function, logged) = (log.name(), log.logged);
    let table = quote_literal(&log.table.to_string());
    let files = files(log);
    let own = quote_literal(&function.name);
    format!(
        "WITH made AS (\n\
         INSERT INTO {registry}.captures (project, schema, name, relation, generation, columns, types, logged, log, body, files)\n\
         SELECT {project}, {schema}, {name}, {table}::pg_catalog.regclass, pg_catalog.gen_random_uuid(), {columns}, {types}, {logged}, {own}, pg_catalog.md5(p.prosrc), {files}\n\
         FROM pg_catalog.pg_proc AS p WHERE p.oid = {}::pg_catalog.regprocedure\n\
         ON CONFLICT (project, schema, name) DO UPDATE SET relation = excluded.relation, generation = excluded.generation, \
         columns = excluded.columns, types = excluded.types, logged = excluded.logged, log = excluded.log, body = excluded.body, \
         files = excluded.files, segment = 0, rotated_at = now(), made_at = now()\n\
         RETURNING project, schema, name, generation)\n\
         INSERT INTO {registry}.sentinels (project, schema, name, generation) SELECT project, schema, name, generation FROM made\n\
         ON CONFLICT (project, schema, name) DO UPDATE SET generation = excluded.generation",
        quote_literal(&format!("{function}()")),
    )
}

/// The files of its tables: they are others once a table was emptied, and what looks with an older snapshot can tell.
pub(crate) fn files(log: &ChangeLog) -> String {
    let file = |segment: &QName| {
        format!("pg_catalog.pg_relation_filenode({}::pg_catalog.regclass)", quote_literal(&segment.to_string()))
    };
    format!("ARRAY[{}]", log.segments().iter().map(file).collect::<Vec<_>>().join(", "))
}
