//! A migration's file: its statements, what is left out, what cannot be tried.

use std::ops::Range;
use std::sync::Arc;

use super::scan::{Token, scan};

/// A migration, cut into statements.
#[derive(Debug, Clone)]
pub struct Script {
    /// The file's whole text.
    pub text: Arc<str>,
    /// In their order.
    pub statements: Vec<Statement>,
}

/// One statement of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its bytes in the text, without the semicolon.
    pub span: Range<usize>,
    /// `Some` where it is not run: it does its work without blocking anybody and cannot run in a transaction. The names are those of the
    /// indexes that it drops, as it writes them.
    pub left_out: Option<Vec<String>>,
}

impl Script {
    /// The text of a statement.
    pub fn sql(&self, statement: &Statement) -> &str {
        &self.text[statement.span.clone()]
    }
}

/// Something in a migration that cannot be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Its bytes in the text.
    pub span: Range<usize>,
    /// What it is.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Cuts a file into statements, as `psql` does.
///
/// # Errors
/// Everything that cannot run in a transaction, would end it, or does what no rollback takes back.
pub fn read(text: &str) -> Result<Script, Vec<Unfit>> {
    let mut unfit = Vec::new();
    let mut statements = Vec::new();
    let mut open = Open::default();
    for (token, span) in scan(text) {
        match token {
            Token::Backslash => unfit.push(Unfit {
                span,
                message: "this is a command of psql, not of the server".to_owned(),
                help: "write it in SQL, or leave it out".to_owned(),
            }),
            Token::Zero => unfit.push(Unfit {
                span,
                message: "there is a byte of zero, which no statement may have".to_owned(),
                help: "save the file as UTF-8 text".to_owned(),
            }),
            Token::Semicolon if open.ends() => {
                let done = std::mem::take(&mut open);
                let reads_on = done.reads_from_client();
                done.finish(text, &mut statements, &mut unfit);
                if reads_on {
                    // Rows follow that are no SQL.
                    break;
                }
            }
            _ => open.push(text, token, span),
        }
    }
    open.finish(text, &mut statements, &mut unfit);
    match unfit.is_empty() {
        true => Ok(Script { text: text.into(), statements }),
        false => Err(unfit),
    }
}

/// A statement that has begun.
#[derive(Debug, Default)]
struct Open {
    span: Option<Range<usize>>,
    /// Key words and names without quotes outside of brackets, in small letters.
    words: Vec<(String, Range<usize>)>,
    /// The same inside of brackets.
    inner: Vec<String>,
    /// Where commas outside of brackets stand.
    commas: Vec<usize>,
    depth: usize,
    /// `BEGIN` and `CASE` without their `END`, in a routine whose body is SQL.
    blocks: usize,
}

impl Open {
    fn push(&mut self, text: &str, token: Token, span: Range<usize>) {
        let start = self.span.as_ref().map_or(span.start, |whole| whole.start);
        self.span = Some(start..span.end);
        match token {
            Token::Open => self.depth += 1,
            Token::Close => self.depth = self.depth.saturating_sub(1),
            Token::Comma if self.depth == 0 => self.commas.push(span.start),
            Token::Word => {
                let word = text[span.clone()].to_ascii_lowercase();
                if self.depth > 0 {
                    self.inner.push(word);
                    return;
                }
                if self.is_routine() {
                    match word.as_str() {
                        "begin" => self.blocks += 1,
                        "case" if self.blocks > 0 => self.blocks += 1,
                        "end" => self.blocks = self.blocks.saturating_sub(1),
                        _ => {}
                    }
                }
                self.words.push((word, span));
            }
            _ => {}
        }
    }

    fn ends(&self) -> bool {
        self.depth == 0 && self.blocks == 0
    }

    fn is_routine(&self) -> bool {
        let at = if self.starts(&["create", "or", "replace"]) { 3 } else { 1 };
        self.starts(&["create"]) && matches!(self.word(at), "function" | "procedure")
    }

    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |(word, _)| word)
    }

    fn starts(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(at, word)| self.word(at) == *word)
    }

    fn has(&self, wanted: &str) -> bool {
        self.words.iter().any(|(word, _)| word == wanted)
    }

    fn reads_from_client(&self) -> bool {
        self.starts(&["copy"]) && self.has("stdin")
    }

    fn finish(self, text: &str, statements: &mut Vec<Statement>, unfit: &mut Vec<Unfit>) {
        let Some(span) = self.span.clone() else { return };
        match self.refusal() {
            Some((words, message, help)) => {
                let end = self.words.get(words - 1).map_or(span.end, |(_, word)| word.end);
                unfit.push(Unfit { span: span.start..end, message, help: help.to_owned() });
            }
            None => statements.push(Statement { left_out: self.left_out(text, &span), span }),
        }
    }

    /// Why it cannot be tried: how many of its words say so, in which words, and what to do.
    fn refusal(&self) -> Option<(usize, String, &'static str)> {
        let said = |count: usize| {
            let words: Vec<String> = self.words.iter().take(count).map(|(word, _)| word.to_ascii_uppercase()).collect();
            words.join(" ")
        };
        let control = match self.word(0) {
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => 1,
            "prepare" if self.word(1) == "transaction" => 2,
            _ => 0,
        };
        if control > 0 {
            let message = format!("{} would begin or end a transaction", said(control));
            return Some((
                control,
                message,
                "leave it out: the whole file is tried in one transaction, which is rolled back",
            ));
        }
        let alone = match (self.word(0), self.word(1)) {
            ("vacuum" | "checkpoint" | "load" | "deallocate", _) => 1,
            ("alter", "system") | ("discard", "all") => 2,
            ("create" | "drop", "database" | "tablespace") => 2,
            ("create" | "alter" | "drop", "subscription") => 2,
            ("cluster", "") => 1,
            _ => 0,
        };
        if alone > 0 {
            let message = format!(
                "{} cannot be tried: it does not run in a transaction, or is not undone by its end",
                said(alone)
            );
            return Some((alone, message, "check the file without it; what the marts read does not depend on it"));
        }
        if self.starts(&["copy"]) {
            let help = "put the rows into the table with INSERT, or check the file without it";
            return match () {
                () if self.has("stdin") => {
                    Some((1, "COPY FROM STDIN reads rows from the client, which has none here".to_owned(), help))
                }
                () if self.has("program") || self.has("to") => {
                    let message = "COPY to a file or with a program does what no rollback takes back".to_owned();
                    Some((1, message, "check the file without it"))
                }
                () => None,
            };
        }
        None
    }

    /// Statements that work beside everybody else, and alone.
    fn left_out(&self, text: &str, span: &Range<usize>) -> Option<Vec<String>> {
        let after_index = |at: usize| self.word(at) == "index" && self.word(at + 1) == "concurrently";
        let creates = self.word(0) == "create" && (after_index(1) || (self.word(1) == "unique" && after_index(2)));
        let reindexes = self.word(0) == "reindex"
            && (self.has("concurrently") || self.inner.iter().any(|word| word == "concurrently"));
        let detaches = self.starts(&["alter", "table"])
            && self.has("detach")
            && self.words.last().is_some_and(|(word, _)| word == "concurrently");
        if self.word(0) == "drop" && after_index(1) {
            return Some(self.dropped(text, span));
        }
        (creates || reindexes || detaches).then(Vec::new)
    }

    /// The names behind `DROP INDEX CONCURRENTLY [IF EXISTS]`.
    fn dropped(&self, text: &str, span: &Range<usize>) -> Vec<String> {
        let lead = if self.word(3) == "if" && self.word(4) == "exists" { 5 } else { 3 };
        let start = self.words[lead - 1].1.end;
        let end = match self.words.last() {
            Some((word, at)) if matches!(word.as_str(), "cascade" | "restrict") && at.end == span.end => at.start,
            _ => span.end,
        };
        let mut names = Vec::new();
        let mut from = start;
        for comma in self.commas.iter().copied().filter(|comma| *comma > start).chain([end]) {
            names.extend(text.get(from..comma).map(|name| name.trim().to_owned()));
            from = comma + 1;
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        match read(text) {
            Ok(script) => script
                .statements
                .iter()
                .map(|statement| match &statement.left_out {
                    Some(names) => format!("left out: {} {names:?}", script.sql(statement)),
                    None => script.sql(statement).to_owned(),
                })
                .collect(),
            Err(unfit) => {
                unfit.iter().map(|unfit| format!("{}: {}", &text[unfit.span.clone()], unfit.message)).collect()
            }
        }
    }

    #[test]
    fn statements_end_where_psql_ends_them() {
        for (text, expected) in [
            ("", &[][..]),
            (" ;; -- nothing\n;", &[]),
            ("SELECT 1; -- one\n SELECT ';' /* two */ ;", &["SELECT 1", "SELECT ';'"]),
            ("DO $$ BEGIN PERFORM 1; END $$; SELECT 2", &["DO $$ BEGIN PERFORM 1; END $$", "SELECT 2"]),
            (
                "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
                &["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"],
            ),
            (
                "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3",
                &[
                    "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
                    "SELECT 3",
                ],
            ),
            ("CREATE TABLE \"begin\" (a int); SELECT 1", &["CREATE TABLE \"begin\" (a int)", "SELECT 1"]),
        ] {
            assert_eq!(cut(text), expected, "{text}");
        }
    }

    #[test]
    fn what_works_beside_others_is_left_out() {
        for (text, expected) in [
            ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "left out: CREATE UNIQUE INDEX CONCURRENTLY i ON t (a) []"),
            ("create index concurrently on t (a)", "left out: create index concurrently on t (a) []"),
            (
                "DROP INDEX CONCURRENTLY IF EXISTS a, s.\"B, c\" CASCADE",
                "left out: DROP INDEX CONCURRENTLY IF EXISTS a, s.\"B, c\" CASCADE [\"a\", \"s.\\\"B, c\\\"\"]",
            ),
            ("DROP INDEX CONCURRENTLY a", "left out: DROP INDEX CONCURRENTLY a [\"a\"]"),
            ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", "left out: REINDEX (VERBOSE, CONCURRENTLY) TABLE t []"),
            (
                "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
                "left out: ALTER TABLE t DETACH PARTITION p CONCURRENTLY []",
            ),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY m", "REFRESH MATERIALIZED VIEW CONCURRENTLY m"),
            ("CREATE INDEX \"concurrently\" ON t (a)", "CREATE INDEX \"concurrently\" ON t (a)"),
        ] {
            assert_eq!(cut(text), [expected]);
        }
    }

    #[test]
    fn what_cannot_be_tried_is_refused_all_at_once() {
        let text = "/* x */ Begin; ALTER TABLE t ADD a int;\nEND; prepare transaction 'x'; VACUUM t; alter system set a = 1;\n\
                    CREATE DATABASE d; \\i other.sql\nCOPY t TO '/tmp/x'; COPY t FROM PROGRAM 'x'; COPY t FROM stdin;\n1\t;\n\\.\n";
        insta::assert_snapshot!(cut(text).join("\n"), @r#"
        Begin: BEGIN would begin or end a transaction
        END: END would begin or end a transaction
        prepare transaction: PREPARE TRANSACTION would begin or end a transaction
        VACUUM: VACUUM cannot be tried: it does not run in a transaction, or is not undone by its end
        alter system: ALTER SYSTEM cannot be tried: it does not run in a transaction, or is not undone by its end
        CREATE DATABASE: CREATE DATABASE cannot be tried: it does not run in a transaction, or is not undone by its end
        \i other.sql: this is a command of psql, not of the server
        COPY: COPY to a file or with a program does what no rollback takes back
        COPY: COPY to a file or with a program does what no rollback takes back
        COPY: COPY FROM STDIN reads rows from the client, which has none here
        "#);
        for text in [
            "SAVEPOINT a",
            "RELEASE a",
            "ROLLBACK TO a",
            "ABORT",
            "START TRANSACTION",
            "COMMIT AND CHAIN",
            "SELECT 1;\u{0}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in [
            "COPY t FROM '/tmp/x'",
            "CLUSTER t USING i",
            "PREPARE p AS SELECT 1",
            "ALTER TABLE t ADD a int",
            "DISCARD PLANS",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
    }
}
