//! The text of statements about partitions.

use crate::state::{Piece, QName, quote_ident, quote_literal};

/// A table that is to become a partition of `mart`, like it. `storage` is what follows: options, tablespace.
pub fn create_like(mart: &QName, name: &QName, storage: &str) -> String {
    let like = "INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION";
    format!("CREATE TABLE {name} (LIKE {mart} {like}){storage}")
}

/// A time as a timestamp that a program can read; beyond the years that there are partitions of, of a year beside them.
pub fn near(time: &str) -> String {
    format!("CASE WHEN {time} IS NOT NULL THEN least(greatest({time}, '0001-12-31 BC'), '10000-01-01')::timestamp END")
}

/// Where a partition stands.
pub fn tablespace(name: Option<&String>) -> String {
    name.map(|name| format!("\nTABLESPACE {}", quote_ident(name))).unwrap_or_default()
}

/// Rows from one table to another.
pub fn move_rows(from: &QName, to: &QName, columns: &str, condition: &str) -> String {
    format!(
        "WITH moved AS (DELETE FROM {from} WHERE {condition} RETURNING {columns})\n\
         INSERT INTO {to} ({columns}) SELECT {columns} FROM moved"
    )
}

/// Rows of a mart's query that one partition takes, into it.
pub fn fill_partition(name: &QName, columns: &str, query: &str, condition: &str) -> String {
    format!("INSERT INTO {name} ({columns})\nSELECT {columns} FROM (\n{}\n) AS q\nWHERE {condition}", query.trim())
}

/// A partition becomes a table of its own, under another name where its own may be needed again.
pub fn detach(mart: &QName, partition: &QName, to: Option<&QName>) -> Vec<String> {
    let mut sql = vec![format!("ALTER TABLE {mart} DETACH PARTITION {partition}")];
    sql.extend(to.map(|to| format!("ALTER TABLE {partition} RENAME TO {}", quote_ident(&to.name))));
    sql
}

/// The statement that takes away what others than their owner may do on tables, such as default privileges gave.
pub fn revoke_all(tables: &[QName]) -> String {
    let tables: Vec<String> = tables.iter().map(|table| quote_literal(&table.to_string())).collect();
    format!(
        "DO $datamart$ DECLARE r record; BEGIN FOR r IN\n\
         SELECT DISTINCT c.oid::pg_catalog.regclass AS name, CASE WHEN g.grantee = 0 THEN 'PUBLIC'\n\
         ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END AS role\n\
         FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) AS g\n\
         WHERE c.oid = ANY (ARRAY[{}]::pg_catalog.regclass[]) AND g.grantee <> c.relowner\n\
         LOOP EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s', r.name, r.role); END LOOP; END $datamart$",
        tables.join(", ")
    )
}

/// The constraint that says for a while what a table takes, or what a default has none of. It goes before anybody could miss it.
pub const BOUND: &str = "datamart_bound";

/// The statement that says it of a table without reading that: what is written from then on is held to it.
pub fn say_bound(table: &QName, condition: &str) -> String {
    format!("ALTER TABLE {table} ADD CONSTRAINT {BOUND} CHECK ({condition}) NOT VALID")
}

/// The statement that takes it away, where it is there.
pub fn forget_bound(table: &QName) -> String {
    format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {BOUND}")
}

/// A condition that no row meets.
pub fn none_of(conditions: &[String]) -> String {
    match conditions {
        [only] => format!("NOT ({only})"),
        all => format!("NOT ({})", all.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" OR ")),
    }
}

/// A table becomes a partition.
pub fn attach(mart: &QName, piece: &Piece, table: &QName) -> String {
    format!("ALTER TABLE {mart} ATTACH PARTITION {table} {}", piece.bound)
}

/// The statement that gives a new partition the triggers that log what changes in its mart, where others follow that: whoever has
/// no right on what fills a log leaves it to the next plan.
pub fn log_as_whole(mart: &QName, partition: &QName) -> String {
    let (mart, name) = (quote_literal(&mart.to_string()), quote_literal(&partition.to_string()));
    format!(
        "DO $datamart$ DECLARE r record; BEGIN FOR r IN\n\
         SELECT t.tgname AS name, p.oid::pg_catalog.regprocedure AS function,\n\
         CASE WHEN t.tgtype & 4 > 0 THEN 'INSERT' WHEN t.tgtype & 8 > 0 THEN 'DELETE' WHEN t.tgtype & 16 > 0 THEN 'UPDATE' ELSE 'TRUNCATE' END AS event,\n\
         pg_catalog.concat(CASE WHEN t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL THEN ' REFERENCING' END,\n\
         ' OLD TABLE AS ' || pg_catalog.quote_ident(t.tgoldtable), ' NEW TABLE AS ' || pg_catalog.quote_ident(t.tgnewtable)) AS tables\n\
         FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid\n\
         WHERE t.tgrelid = {mart}::pg_catalog.regclass AND NOT t.tgisinternal AND t.tgenabled = 'A'\n\
         AND p.proname LIKE 'changes\\_%' AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')\n\
         LOOP EXECUTE pg_catalog.format('CREATE TRIGGER %I AFTER %s ON %s%s FOR EACH STATEMENT EXECUTE FUNCTION %s', r.name, r.event, {name}, r.tables, r.function);\n\
         EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', {name}, r.name); END LOOP; END $datamart$"
    )
}

/// The statement that takes `__next` out of the names of the indexes of a relation's partitions, which have them from the
/// time when they were built aside.
pub fn settle_index_names(relation: &QName) -> String {
    let relation = quote_literal(&relation.to_string());
    settle(&format!("pg_catalog.pg_partition_tree({relation}::pg_catalog.regclass) AS t"), "t.level > 0 AND ")
}

/// The same of tables that are partitions.
pub fn settle_index_names_of(tables: &[&QName]) -> String {
    let tables: Vec<String> =
        tables.iter().map(|table| format!("{}::pg_catalog.regclass", quote_literal(&table.to_string()))).collect();
    settle(&format!("pg_catalog.unnest(ARRAY[{}]) AS t (relid)", tables.join(", ")), "")
}

fn settle(tables: &str, which: &str) -> String {
    format!(
        "DO $datamart$ DECLARE r record; BEGIN FOR r IN\n\
         SELECT i.indexrelid::pg_catalog.regclass AS index, pg_catalog.replace(c.relname, '__next', '') AS name\n\
         FROM {tables}\n\
         JOIN pg_catalog.pg_index i ON i.indrelid = t.relid JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid\n\
         WHERE {which}pg_catalog.strpos(c.relname, '__next') > 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o\n\
         WHERE o.relnamespace = c.relnamespace AND o.relname = pg_catalog.replace(c.relname, '__next', ''))\n\
         LOOP EXECUTE pg_catalog.format('ALTER INDEX %s RENAME TO %I', r.index, r.name); END LOOP; END $datamart$"
    )
}
