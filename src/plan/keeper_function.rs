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

/// What refreshes have as their sessions begin with it. A cast to text is no function that could be looked for. To set them for each
/// mart would take longer than to compute its rows; they are looked at once, and set for all marts where a writer has others.
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
        let quote = quote_of("$commit$", &self.body);
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
        pinned: &[],
        body: format!("-- {told}\n{}", kept_body(kept)),
        comment: format!("keeps {} as writers commit", kept.view.rows),
    }
}

/// The function that calls those of the marts, in this order.
pub(super) fn work(keeper: &Keeper, (registry, project): (&str, &str), marts: &[(&QName, Vec<&QName>)]) -> Function {
    let fed =
        marts.iter().any(|(_, sources)| sources.iter().any(|source| marts.iter().any(|(mart, _)| mart == source)));
    let alike = marts.windows(2).all(|two| two[0].1 == two[1].1);
    let none = format!("DELETE FROM {} WHERE xid OPERATOR(pg_catalog.=) me;\n", keeper.transactions());
    let mut body = "DECLARE\n    me pg_catalog.xid8 := pg_catalog.pg_current_xact_id();\n".to_owned();
    if !fed && alike {
        // All of them follow what was written. Should a mart's own triggers write to a source, the transaction is noted again.
        body.push_str(&format!("BEGIN\n    {none}"));
        for (mart, _) in marts {
            let function = keeper.mart(mart);
            body.push_str(&format!(
                "    IF {} THEN\n        PERFORM {function}(me);\n    END IF;\n",
                callable(&function)
            ));
        }
        body.push_str("END;\n");
        return planned(own(keeper.work(), "pg_catalog.void", body, "what writers do before they commit"));
    }
    // The logs have the columns of their sources: whatever those are called, a variable is meant.
    body.insert_str(0, "#variable_conflict use_variable\n");
    body.push_str(&format!(
        "    seen pg_catalog.int8[] := pg_catalog.array_fill(0::pg_catalog.int8, ARRAY[{}]);\n    \
         written pg_catalog.int8;\n    again pg_catalog.bool;\nBEGIN\n    \
         -- What one mart's function writes, another mart may follow.\n    LOOP\n        again := false;\n",
        marts.len()
    ));
    for (at, (mart, sources)) in marts.iter().enumerate() {
        let (at, function) = (at + 1, keeper.mart(mart));
        let segments = sources.iter().flat_map(|source| log_segments(&log_name(registry, project, source)));
        let segments: Vec<String> = segments.map(|segment| segment.to_string()).collect();
        let there = segments.iter().map(|segment| format!("pg_catalog.to_regclass({})", quote_literal(segment)));
        let there: Vec<String> = there.collect();
        let rows: Vec<String> = segments
            .iter()
            .map(|segment| format!("SELECT FROM {segment} WHERE datamart_xid OPERATOR(pg_catalog.=) me"))
            .collect();
        body.push_str(&format!(
            "        IF {} AND pg_catalog.num_nulls({}) OPERATOR(pg_catalog.=) 0 THEN\n            \
             written := (SELECT pg_catalog.count(*) FROM ({}) AS l);\n            \
             IF written OPERATOR(pg_catalog.>) seen[{at}] THEN\n                seen[{at}] := written;\n                again := true;\n                \
             PERFORM {function}(me);\n            END IF;\n        END IF;\n",
            callable(&function),
            there.join(", "),
            rows.join(" UNION ALL "),
        ));
    }
    body.push_str(&format!("        EXIT WHEN NOT again;\n    END LOOP;\n    {none}END;\n"));
    planned(own(keeper.work(), "pg_catalog.void", body, "what writers do before they commit"))
}

/// Nothing tells the planner how long the tables are, and in a session it plans but once.
fn planned(mut work: Function) -> Function {
    let settings = [("enable_seqscan", "off"), ("plan_cache_mode", "force_generic_plan")];
    work.settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    work
}

/// A function is there, and who is in the one that calls it may call it.
fn callable(function: &QName) -> String {
    let name = quote_literal(&function.to_string());
    format!("pg_catalog.has_function_privilege(pg_catalog.to_regproc({name})::pg_catalog.oid, 'EXECUTE') IS TRUE")
}

/// [`work`] for writers whose settings are others.
fn pinned(keeper: &Keeper) -> Function {
    let body = format!("BEGIN\n    PERFORM {}();\nEND;\n", keeper.work());
    let comment = "what writers do before they commit, where their settings are others";
    Function { pinned: PINNED, ..own(keeper.pinned(), "pg_catalog.void", body, comment) }
}

/// The function behind the trigger. While somebody is in it, [`work`] is not replaced.
pub(super) fn trigger(keeper: &Keeper) -> Function {
    let (locks, work, pinned) = (keeper.locks(), keeper.work(), keeper.pinned());
    let body = format!(
        "BEGIN\n    IF pg_catalog.to_regclass({}) IS NOT NULL AND {} THEN\n        \
         LOCK TABLE {locks} IN ROW EXCLUSIVE MODE;\n        \
         IF {SAME} THEN\n            PERFORM {work}();\n        ELSIF {} THEN\n            PERFORM {pinned}();\n        ELSE\n            \
         RAISE WARNING '%', {};\n        \
         END IF;\n    END IF;\n    RETURN NULL;\nEND;\n",
        quote_literal(&locks.to_string()),
        callable(&work),
        callable(&pinned),
        quote_literal(&format!(
            "datamart: the function {pinned} may not be called; what it keeps shows this change when it is refreshed"
        )),
    );
    own(keeper.transactions(), "trigger", body, "who writes to a source keeps marts before it commits")
}

/// Stands for the comparison with the settings of the session that makes the function.
const SAME: &str = "pg_catalog.current_setting() IS NULL";

/// Makes that function: the settings are those of now, and their values stand in it.
fn create_trigger(keeper: &Keeper) -> Vec<String> {
    let function = trigger(keeper);
    let same = PINNED.iter().enumerate().map(|(at, name)| {
        let (is, value) = (format!("pg_catalog.current_setting({})", quote_literal(name)), format!("%{}$L", at + 1));
        let equal = format!("{is} OPERATOR(pg_catalog.=) {value}");
        if *name != "extra_float_digits" {
            return equal;
        }
        // These are one, and drivers have their favourites.
        let exact = "OPERATOR(pg_catalog.=) ANY (ARRAY['1', '2', '3']::pg_catalog.text[])";
        format!("({equal} OR {is} {exact} AND {value}::pg_catalog.text {exact})")
    });
    let same = same.collect::<Vec<_>>().join(" AND ");
    let values = PINNED.iter().map(|name| format!("pg_catalog.current_setting({})", quote_literal(name)));
    let values = values.collect::<Vec<_>>().join(", ");
    let mut sql = function.create();
    if let Some(create) = sql.first_mut() {
        let text = create.replace('%', "%%").replace(SAME, &same);
        let inner = quote_of("$create$", &text);
        let text = format!("BEGIN\n    EXECUTE pg_catalog.format({inner}{text}{inner}, {values});\nEND;\n");
        let outer = quote_of("$make$", &text);
        *create = format!("DO LANGUAGE plpgsql {outer}\n{text}{outer}");
    }
    sql
}

/// What a text can stand between.
fn quote_of(quote: &str, text: &str) -> String {
    let mut quote = quote.to_owned();
    while text.contains(&quote) {
        quote.insert_str(1, "datamart_");
    }
    quote
}

/// The tables, the trigger and what it calls; the marts' functions come later.
pub(super) fn create(keeper: &Keeper, work: &Function) -> Vec<String> {
    let (table, locks) = (keeper.transactions(), keeper.locks());
    let mut sql = vec![
        format!("CREATE UNLOGGED TABLE IF NOT EXISTS {table} (xid pg_catalog.xid8 PRIMARY KEY)"),
        format!(
            "CREATE UNLOGGED TABLE IF NOT EXISTS {locks} (mart pg_catalog.text, number pg_catalog.int4, times pg_catalog.int8 NOT NULL DEFAULT 0, \
             PRIMARY KEY (mart, number)) WITH (fillfactor = 50)"
        ),
    ];
    sql.extend([work, &pinned(keeper)].into_iter().flat_map(Function::create));
    sql.extend(create_trigger(keeper));
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
    let functions = [trigger(keeper), pinned(keeper), own(keeper.work(), "", String::new(), "")];
    sql.extend(functions.iter().map(|function| format!("DROP FUNCTION IF EXISTS {}", function.signature())));
    sql
}
