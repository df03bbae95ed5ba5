//! The functions that keep a mart up to date within the transactions that write to its sources.
//!
//! What a statement logs is noted in settings of the transaction, by a trigger on the log. When the transaction commits, one deferred
//! trigger takes all of it, locks the groups that it may affect, in one order, and computes them with a snapshot taken after
//! that: whoever changed them before has committed, whoever comes next waits. A group's lock is a row that is written to, so that a
//! transaction whose snapshot is older than another's change cannot be serialized, and fails instead of writing what it saw.

use std::fmt::Write as _;

use super::changes::whole;
use super::fresh::{asked_by, query, with_logs, within};
use crate::state::{
    Changes, Fingerprint, QName, derived_name, log_name, log_segments, quote_ident, quote_idents, quote_literal,
};

/// How many locks the groups of a mart share.
pub const COMMIT_LOCKS: u32 = 1_024;

/// What is noted in a setting, in bytes; what is more is read from the log again.
const MOST_NOTED: usize = 16_384;

/// A mart that follows every commit.
#[derive(Debug, Clone, Copy)]
pub struct Committed<'a> {
    /// The registry's schema.
    pub registry: &'a str,
    /// The project.
    pub project: &'a str,
    /// The relation that stores the rows.
    pub rows: &'a QName,
    /// Its columns, in order.
    pub columns: &'a [String],
    /// How its rows follow what changed.
    pub changes: &'a Changes,
    /// The settings that its query runs with.
    pub settings: &'a [(String, String)],
}

/// A trigger on a segment of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitTrigger {
    /// Its name.
    pub name: String,
    /// The segment.
    pub segment: QName,
    /// The statements that make it.
    pub sql: [String; 2],
}

impl Committed<'_> {
    /// The function that computes what is noted.
    pub fn follow(&self) -> QName {
        self.named("_follow")
    }

    /// The function that the end of a transaction calls.
    pub fn on_commit(&self) -> QName {
        self.named("_on_commit")
    }

    /// The function that notes what is logged of a source.
    pub fn noted(&self, source: usize) -> QName {
        self.named(&format!("_noted_{source}"))
    }

    /// The table in which a transaction says that it ends with work to do: nothing else can call a function then.
    pub fn queue(&self) -> QName {
        self.named("_queue")
    }

    /// The table of its locks.
    pub fn locks(&self) -> QName {
        self.named("_locks")
    }

    fn named(&self, end: &str) -> QName {
        let QName { schema, name } = self.rows;
        let short = self.short();
        QName::new(
            self.registry,
            derived_name(&format!("commit_{}_{schema}_{name}", self.project), &format!("_{}{end}", &short[..8])),
        )
    }

    /// All of them, with what makes them: each after those that it calls.
    pub fn functions(&self) -> Vec<(QName, String)> {
        let mut settings = String::new();
        for (key, value) in self.settings {
            // A list of names is quoted already.
            let value = if key == "search_path" { value.clone() } else { quote_literal(value) };
            let key: Vec<String> = key.split('.').map(quote_ident).collect();
            let _ = write!(settings, "\nSET {} = {value}", key.join("."));
        }
        let mut functions = vec![(self.follow(), function(&self.follow(), "void", &settings, &self.following()))];
        functions.push((self.on_commit(), function(&self.on_commit(), "trigger", "", &self.ending())));
        let noted = (0..self.changes.sources.len()).map(|at| (self.noted(at), self.note(at)));
        functions.extend(noted.map(|(name, body)| (name.clone(), function(&name, "trigger", "", &body))));
        functions
    }

    /// Its tables, with what makes them.
    pub fn tables(&self) -> Vec<(QName, Vec<String>)> {
        let (queue, locks) = (self.queue(), self.locks());
        let fill = format!(
            "INSERT INTO {locks} (lock) SELECT n FROM pg_catalog.generate_series(0, {}) AS n",
            COMMIT_LOCKS - 1
        );
        let ends = format!(
            "CREATE CONSTRAINT TRIGGER on_commit AFTER INSERT ON {queue} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {}()",
            self.on_commit()
        );
        let always = format!("ALTER TABLE {queue} ENABLE ALWAYS TRIGGER on_commit");
        let (lock, xid) = ("lock integer PRIMARY KEY", "xid pg_catalog.xid8");
        vec![
            (locks.clone(), vec![format!("CREATE TABLE {locks} ({lock}, {xid}) WITH (fillfactor = 20)"), fill]),
            (queue.clone(), vec![format!("CREATE UNLOGGED TABLE {queue} ({xid})"), ends, always]),
        ]
    }

    /// The triggers on the segments of the logs.
    pub fn triggers(&self) -> Vec<CommitTrigger> {
        let mut triggers = Vec::new();
        for (at, source) in self.changes.sources.iter().enumerate() {
            let function = self.noted(at);
            for segment in log_segments(&log_name(self.registry, self.project, &source.table)) {
                let name = format!("datamart_noted_{}", self.short());
                let sql = format!(
                    "CREATE TRIGGER {name} AFTER INSERT ON {segment} REFERENCING NEW TABLE AS logged FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
                );
                let always = format!("ALTER TABLE {segment} ENABLE ALWAYS TRIGGER {name}");
                triggers.push(CommitTrigger { name, segment, sql: [sql, always] });
            }
        }
        triggers
    }

    /// What tells it from other marts, in a few letters.
    fn short(&self) -> String {
        let hash = Fingerprint::of(&(self.registry, self.project, self.rows)).0;
        hash[hash.len() - 16..].to_owned()
    }

    /// The setting in which is noted what is logged of a source: rows, or why there are none. `L`: the log has them, `T`: it was
    /// emptied, `P`: nobody knows.
    pub fn setting(&self, source: usize) -> String {
        format!("datamart.noted_{}_{source}", self.short())
    }

    fn noted_now(&self, source: usize) -> String {
        format!("COALESCE(pg_catalog.current_setting({}, true), '')", quote_literal(&self.setting(source)))
    }

    fn note(&self, source: usize) -> String {
        let object = self.object(source);
        let mut text = format!(
            "DECLARE\n    was text := {};\n    asked boolean := was <> '';\n    more text;\n    place pg_catalog.tid;\nBEGIN\n",
            self.noted_now(source)
        );
        text.push_str("    more := (SELECT pg_catalog.min(l.datamart_mark::text) FROM logged AS l);\n");
        text.push_str("    IF more IS NOT NULL THEN\n        was := CASE WHEN was = 'P' THEN was ELSE more END;\n");
        let _ = write!(
            text,
            "    ELSIF was NOT IN ('P', 'T', 'L') THEN\n        \
             more := (SELECT pg_catalog.string_agg(DISTINCT {object}::text, ',') FROM logged AS l);\n        \
             was := CASE WHEN pg_catalog.length(was) + pg_catalog.length(more) > {MOST_NOTED} THEN 'L' \
             WHEN was = '' THEN more ELSE was || ',' || more END;\n    END IF;\n    \
             PERFORM pg_catalog.set_config({}, was, true);\n    IF NOT asked THEN\n        \
             INSERT INTO {queue} AS q (xid) VALUES (pg_catalog.pg_current_xact_id()) RETURNING q.ctid INTO place;\n        \
             DELETE FROM {queue} AS q WHERE q.ctid = place;\n    END IF;\n    \
             RETURN NULL;\nEND;\n",
            quote_literal(&self.setting(source)),
            queue = self.queue()
        );
        text
    }

    /// The first event of a transaction finds what was noted, and another one what was noted since.
    fn ending(&self) -> String {
        let noted = (0..self.changes.sources.len()).map(|at| format!("{} <> ''", self.noted_now(at)));
        let noted = noted.collect::<Vec<_>>().join(" OR ");
        format!(
            "BEGIN\n    IF {noted} THEN\n        PERFORM {}();\n    END IF;\n    RETURN NULL;\nEND;\n",
            self.follow()
        )
    }

    fn following(&self) -> String {
        let sources = || 0..self.changes.sources.len();
        // What is named here may be the name of anything in the query.
        let mut text =
            String::from("#variable_conflict use_column\n<<at_commit>>\nDECLARE\n    held integer[] := '{}';\n");
        text.push_str("    found integer[];\n    missing integer[];\n");
        for at in sources() {
            let _ = writeln!(text, "    s{at} text := {};\n    d{at} jsonb;", self.noted_now(at));
        }
        for (at, key) in asked_by(self.changes) {
            let _ = writeln!(text, "    k{at} {}[];\n    n{at} boolean;", key.type_name);
        }
        text.push_str("BEGIN\n");
        for at in sources() {
            let _ =
                writeln!(text, "    PERFORM pg_catalog.set_config({}, '', true);", quote_literal(&self.setting(at)));
        }
        let any =
            |mark: &str| sources().map(|at| format!("at_commit.s{at} = '{mark}'")).collect::<Vec<_>>().join(" OR ");
        let name = quote_literal(&self.rows.to_string());
        // No write fails because the query cannot be run any more: the mart is behind, and says so.
        let _ = writeln!(
            text,
            "    IF pg_catalog.to_regclass({name}) IS NULL OR {} THEN\n        \
             RAISE WARNING 'datamart: % is behind until it is refreshed', {name};\n        RETURN;\n    END IF;",
            any("P")
        );
        let _ = writeln!(text, "    IF {} THEN\n{}        RETURN;\n    END IF;", any("T"), self.whole());
        sources().for_each(|at| text.push_str(&self.logged(at)));
        let _ = writeln!(text, "    LOOP\n{}{}    END LOOP;", self.keys(), self.lock());
        let (rows, columns, query) = (self.rows, quote_idents(self.columns), self.query());
        let _ = write!(
            text,
            "    DELETE FROM {rows} AS r WHERE {};\n    INSERT INTO {rows} ({columns})\n    SELECT {} FROM (\n{query}\n    ) AS q WHERE {};\nEND;\n",
            self.condition("r"),
            self.columns_of("q"),
            self.condition("q")
        );
        text
    }

    /// A logged row as JSON, which keeps every value as it is.
    fn object(&self, source: usize) -> String {
        let columns = &self.changes.sources[source].columns;
        let pairs = columns.iter().map(|c| format!("{}, l.{}", quote_literal(&c.name), quote_ident(&c.name)));
        format!("pg_catalog.jsonb_build_object({})", pairs.collect::<Vec<_>>().join(", "))
    }

    /// What is noted of a source, as rows of its log.
    fn logged(&self, at: usize) -> String {
        let segments = log_segments(&log_name(self.registry, self.project, &self.changes.sources[at].table));
        let object = self.object(at);
        let segments = segments.map(|segment| {
            format!(
                "SELECT {object} AS o FROM {segment} AS l WHERE l.datamart_xid = pg_catalog.pg_current_xact_id() AND l.datamart_mark IS NULL"
            )
        });
        format!(
            "    IF at_commit.s{at} = 'L' THEN\n        d{at} := (SELECT pg_catalog.jsonb_agg(DISTINCT u.o) FROM ({}) AS u);\n    \
             ELSE\n        d{at} := ('[' || at_commit.s{at} || ']')::jsonb;\n    END IF;\n",
            segments.join(" UNION ALL ")
        )
    }

    /// The relation of what is logged of a source.
    fn delta(&self, at: usize) -> String {
        let columns = &self.changes.sources[at].columns;
        let columns = columns.iter().map(|c| format!("{} {}", quote_ident(&c.name), c.type_name));
        let columns = columns.collect::<Vec<_>>().join(", ");
        format!("(SELECT u.* FROM pg_catalog.jsonb_to_recordset(at_commit.d{at}) AS u ({columns}))")
    }

    /// The keys that the changes may affect, column by column, and the locks of their groups.
    fn keys(&self) -> String {
        let keys = asked_by(self.changes);
        let names: Vec<String> = (0..self.changes.key.len()).map(|at| format!("k{at}")).collect();
        let texts = self.changes.sources.iter().filter_map(|source| source.affected.as_ref());
        let texts = texts.flat_map(|text| with_logs(text, self.changes, &|at| self.delta(at)));
        let texts: Vec<String> = texts.map(|text| format!("SELECT * FROM (\n{text}\n) AS x")).collect();
        let arrays = keys.iter().map(|(at, _)| {
            format!(
                "pg_catalog.array_agg(DISTINCT a.k{at}) FILTER (WHERE a.k{at} IS NOT NULL), \
                 COALESCE(pg_catalog.bool_or(a.k{at} IS NULL), false)"
            )
        });
        let into: Vec<String> = keys.iter().map(|(at, _)| format!("at_commit.k{at}, at_commit.n{at}")).collect();
        let lock = lock_of(&keys.iter().map(|(at, _)| format!("a.k{at}")).collect::<Vec<_>>());
        format!(
            "        SELECT COALESCE(pg_catalog.array_agg(DISTINCT {lock}), '{{}}'), {} INTO at_commit.found, {}\n        FROM (\n{}\n) AS a ({});\n",
            arrays.collect::<Vec<_>>().join(", "),
            into.join(", "),
            texts.join("\nUNION\n"),
            names.join(", ")
        )
    }

    /// Locks what is not locked yet; keys are looked for again then: what others committed meanwhile may have moved them.
    fn lock(&self) -> String {
        let locks = self.locks();
        format!(
            "        missing := ARRAY(SELECT n FROM pg_catalog.unnest(at_commit.found) AS n EXCEPT SELECT pg_catalog.unnest(at_commit.held));\n        \
             EXIT WHEN missing = '{{}}';\n        \
             PERFORM FROM (SELECT FROM {locks} AS c WHERE c.lock = ANY (at_commit.missing) ORDER BY c.lock FOR UPDATE) AS l;\n        \
             UPDATE {locks} AS c SET xid = pg_catalog.pg_current_xact_id() WHERE c.lock = ANY (at_commit.missing);\n        \
             held := held || missing;\n"
        )
    }

    /// All rows again: nobody else computes any meanwhile.
    fn whole(&self) -> String {
        let (rows, locks, query) = (self.rows, self.locks(), whole(self.changes));
        format!(
            "        PERFORM FROM (SELECT FROM {locks} AS c ORDER BY c.lock FOR UPDATE) AS l;\n        \
             UPDATE {locks} AS c SET xid = pg_catalog.pg_current_xact_id();\n        \
             DELETE FROM {rows};\n        INSERT INTO {rows} ({}) SELECT {} FROM (\n{query}\n        ) AS q;\n",
            quote_idents(self.columns),
            self.columns_of("q"),
        )
    }

    fn columns_of(&self, of: &str) -> String {
        let columns = self.columns.iter().map(|column| format!("{of}.{}", quote_ident(column)));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// Whether a row belongs to a group that is affected, and locked.
    fn condition(&self, of: &str) -> String {
        let keys = asked_by(self.changes);
        let columns: Vec<String> = keys.iter().map(|(_, key)| format!("{of}.{}", quote_ident(&key.name))).collect();
        let among = keys.iter().zip(&columns).map(|((at, _), column)| {
            format!("({column} = ANY (at_commit.k{at}) OR {column} IS NULL AND at_commit.n{at})")
        });
        let locked = format!("{} = ANY (at_commit.held)", lock_of(&columns));
        among.chain([locked]).collect::<Vec<_>>().join(" AND ")
    }

    fn query(&self) -> String {
        let edge =
            |of: &str, at: usize| format!("(SELECT pg_catalog.{of}(v) FROM pg_catalog.unnest(at_commit.k{at}) AS v)");
        query(self.changes, |at, key| within(key, &edge("min", at), &edge("max", at), &format!("at_commit.n{at}")))
    }
}

/// The lock of a group: an equal key has an equal one.
fn lock_of(key: &[String]) -> String {
    let key = key.join(", ");
    format!("(pg_catalog.hash_record_extended(ROW({key}), 0) & {})::integer", COMMIT_LOCKS - 1)
}

fn function(name: &QName, returns: &str, settings: &str, body: &str) -> String {
    let mut quote = "$datamart$".to_owned();
    while body.contains(&quote) {
        quote.insert(1, '_');
    }
    format!(
        "CREATE OR REPLACE FUNCTION {name}() RETURNS {returns} LANGUAGE plpgsql SECURITY DEFINER{settings} AS {quote}\n{body}{quote}"
    )
}
