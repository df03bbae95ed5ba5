//! The functions that keep marts as writers commit, and the tables beside them.
//!
//! Whoever writes to a source is noted once, in a table of which a deferred trigger does the work at the end of the transaction. Each
//! mart has a function of its own, which runs as the mart's owner; one that calls them in the marts' order stands between, so that it
//! can be replaced while nobody is in it.

use sha2::{Digest, Sha256};

use crate::sql::{Kept, kept_body};
use crate::state::{Keeper, QName, log_name, log_segments, quote_ident, quote_literal};

/// A function, as it is made.
pub(super) struct Function {
    pub name: QName,
    arguments: &'static str,
    returns: &'static str,
    settings: Vec<(String, String)>,
    /// Settings that values or their texts depend on, as the session has them that makes the function.
    pinned: &'static [&'static str],
    body: String,
    comment: String,
}

/// What refreshes have as their sessions begin with it. A cast to text is no function that could be looked for.
const PINNED: &[&str] = &[
    "DateStyle",
    "IntervalStyle",
    "extra_float_digits",
    "bytea_output",
    "standard_conforming_strings",
    "transform_null_equals",
    "array_nulls",
    "xmlbinary",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
];

impl Function {
    /// What its body is told by.
    pub fn hash(&self) -> String {
        let hash = hex::encode(Sha256::digest(format!("\n{}", self.body).as_bytes()));
        hash[..16].to_owned()
    }

    /// Its name with its arguments.
    pub fn signature(&self) -> String {
        format!("{}({})", self.name, self.arguments)
    }

    /// The statements that make it.
    pub fn create(&self) -> Vec<String> {
        let mut quote = "$commit$".to_owned();
        while self.body.contains(&quote) {
            quote.insert_str(1, "datamart_");
        }
        let set = |(key, value): &(String, String)| match key.as_str() {
            "search_path" => format!(" SET search_path = {value}"),
            _ => format!(" SET {} = {}", quote_ident(key), quote_literal(value)),
        };
        let given = |name: &&&str| !self.settings.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        let pinned = self.pinned.iter().filter(given).map(|name| format!(" SET {name} FROM CURRENT"));
        let settings: String = self.settings.iter().map(set).chain(pinned).collect();
        let (signature, returns) = (self.signature(), self.returns);
        let comment = quote_literal(&format!("datamart: {}; {}", self.comment, self.hash()));
        vec![
            format!(
                "CREATE OR REPLACE FUNCTION {signature} RETURNS {returns} LANGUAGE plpgsql SECURITY DEFINER{settings} AS {quote}\n{}{quote}",
                self.body
            ),
            format!("COMMENT ON FUNCTION {signature} IS {comment}"),
            format!("REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"),
        ]
    }
}

/// Everything in it names its schema: a search path of its own would cost as much as the rest of it.
fn own(name: QName, returns: &'static str, body: String, comment: &str) -> Function {
    Function { name, arguments: "", returns, settings: Vec::new(), pinned: &[], body, comment: comment.to_owned() }
}

/// The function of a mart: it computes as refreshes do, whatever the writer's session is set to.
pub(super) fn of_mart(keeper: &Keeper, kept: &Kept<'_>, owner: &str, settings: &[(String, String)]) -> Function {
    let told: Vec<String> = settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let told = format!("as {owner}; {}", told.join("; ")).replace(['\n', '\r'], " ");
    Function {
        name: keeper.mart(kept.view.rows),
        arguments: "datamart_me pg_catalog.xid8",
        returns: "pg_catalog.void",
        settings: settings.to_vec(),
        pinned: PINNED,
        body: format!("-- {told}\n{}", kept_body(kept)),
        comment: format!("keeps {} as writers commit", kept.view.rows),
    }
}

/// The function that calls those of the marts, in this order.
pub(super) fn work(keeper: &Keeper, (registry, project): (&str, &str), marts: &[(&QName, Vec<&QName>)]) -> Function {
    let mut body = format!(
        "DECLARE\n    me pg_catalog.xid8 := pg_catalog.pg_current_xact_id();\n    \
         seen pg_catalog.int8[] := pg_catalog.array_fill(0::pg_catalog.int8, ARRAY[{}]);\n    \
         written pg_catalog.int8;\n    again pg_catalog.bool;\nBEGIN\n    \
         -- What one mart's function writes, another mart may follow.\n    LOOP\n        again := false;\n",
        marts.len().max(1)
    );
    for (at, (mart, sources)) in marts.iter().enumerate() {
        let (at, function) = (at + 1, keeper.mart(mart));
        let segments = sources.iter().flat_map(|source| log_segments(&log_name(registry, project, source)));
        let segments: Vec<String> = segments.map(|segment| segment.to_string()).collect();
        let there = segments.iter().map(|segment| format!("pg_catalog.to_regclass({})", quote_literal(segment)));
        let made = format!("pg_catalog.to_regprocedure({})", quote_literal(&format!("{function}(pg_catalog.xid8)")));
        let there: Vec<String> = std::iter::once(made).chain(there).collect();
        let rows: Vec<String> = segments
            .iter()
            .map(|segment| format!("SELECT FROM {segment} WHERE datamart_xid OPERATOR(pg_catalog.=) me"))
            .collect();
        body.push_str(&format!(
            "        IF pg_catalog.num_nulls({}) OPERATOR(pg_catalog.=) 0 THEN\n            \
             written := (SELECT pg_catalog.count(*) FROM ({}) AS l);\n            \
             IF written OPERATOR(pg_catalog.>) seen[{at}] THEN\n                seen[{at}] := written;\n                again := true;\n                \
             PERFORM {function}(me);\n            END IF;\n        END IF;\n",
            there.join(", "),
            rows.join(" UNION ALL "),
        ));
    }
    body.push_str(&format!(
        "        EXIT WHEN NOT again;\n    END LOOP;\n    DELETE FROM {} WHERE xid OPERATOR(pg_catalog.=) me;\nEND;\n",
        keeper.transactions()
    ));
    let mut work = own(keeper.work(), "pg_catalog.void", body, "what writers do before they commit");
    // Nothing tells the planner how long the logs are.
    let settings = [("enable_seqscan", "off"), ("plan_cache_mode", "force_generic_plan")];
    work.settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    work
}

/// The function behind the trigger. While somebody is in it, [`work`] is not replaced.
pub(super) fn trigger(keeper: &Keeper) -> Function {
    let (locks, work) = (keeper.locks(), keeper.work());
    let body = format!(
        "BEGIN\n    IF pg_catalog.num_nulls(pg_catalog.to_regclass({}), pg_catalog.to_regprocedure({})) OPERATOR(pg_catalog.=) 0 THEN\n        \
         LOCK TABLE {locks} IN ROW EXCLUSIVE MODE;\n        PERFORM {work}();\n    END IF;\n    RETURN NULL;\nEND;\n",
        quote_literal(&locks.to_string()),
        quote_literal(&format!("{work}()")),
    );
    own(keeper.transactions(), "trigger", body, "who writes to a source keeps marts before it commits")
}

/// The tables, the trigger and what it calls; the marts' functions come later.
pub(super) fn create(keeper: &Keeper, work: &Function) -> Vec<String> {
    let (table, locks, trigger) = (keeper.transactions(), keeper.locks(), trigger(keeper));
    let mut sql = vec![
        format!("CREATE UNLOGGED TABLE IF NOT EXISTS {table} (xid pg_catalog.xid8 PRIMARY KEY)"),
        format!(
            "CREATE UNLOGGED TABLE IF NOT EXISTS {locks} (mart pg_catalog.text, number pg_catalog.int4, times pg_catalog.int8 NOT NULL DEFAULT 0, \
             PRIMARY KEY (mart, number)) WITH (fillfactor = 50)"
        ),
    ];
    sql.extend([work, &trigger].into_iter().flat_map(Function::create));
    let name = quote_ident(&table.name);
    sql.push(format!("DROP TRIGGER IF EXISTS {name} ON {table}"));
    sql.push(format!(
        "CREATE CONSTRAINT TRIGGER {name} AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {table}()"
    ));
    sql.push(format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"));
    sql
}

/// Removes all of it.
pub(super) fn remove(keeper: &Keeper) -> Vec<String> {
    let (table, locks) = (keeper.transactions(), keeper.locks());
    let mut sql = vec![format!("DROP TABLE IF EXISTS {table}, {locks}")];
    let functions = [trigger(keeper), own(keeper.work(), "", String::new(), "")];
    sql.extend(functions.iter().map(|function| format!("DROP FUNCTION IF EXISTS {}", function.signature())));
    sql
}
