//! What PostgreSQL, or the way to it, said when something failed.

use std::error::Error as _;
use std::ops::Deref;

use serde::Serialize;
use sqlx::error::UnexpectedNullError;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use crate::state::QName;

/// What an error is about: decides the hint, the metric label and whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// No connection, or it was lost.
    Connection,
    /// The server did not believe who we are.
    Authentication,
    /// The role may not do this.
    Privilege,
    /// A read-only transaction or a standby.
    ReadOnly,
    /// A lock was not to be had in time, or an object is in use.
    Lock,
    /// A statement or transaction took too long.
    Timeout,
    /// Somebody cancelled the statement.
    Cancelled,
    /// Serialization failure, deadlock, or what was read is gone meanwhile: the same transaction may pass next time.
    Serialization,
    /// The statement is not valid SQL, or asks for what the server does not offer.
    Syntax,
    /// A relation, column, function, type, schema, role or database is not there.
    Missing,
    /// An object of that name exists already, or others depend on it.
    Conflict,
    /// The data does not allow it: constraints, conversions, division by zero.
    Data,
    /// A check of a mart's rows did not pass.
    Check,
    /// Memory, disk, connections or another limit ran out.
    Resource,
    /// The server, or this machine, could not read or write a file.
    Io,
    /// An address or a setting is wrong.
    Config,
    /// None of the others.
    Internal,
}

impl ErrorKind {
    /// The fixed word of this kind.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Connection => "connection",
            ErrorKind::Authentication => "authentication",
            ErrorKind::Privilege => "privilege",
            ErrorKind::ReadOnly => "read_only",
            ErrorKind::Lock => "lock",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Serialization => "serialization",
            ErrorKind::Syntax => "syntax",
            ErrorKind::Missing => "missing",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Data => "data",
            ErrorKind::Check => "check",
            ErrorKind::Resource => "resource",
            ErrorKind::Io => "io",
            ErrorKind::Config => "config",
            ErrorKind::Internal => "internal",
        }
    }

    /// The kind of a SQLSTATE. <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    pub fn of_sqlstate(code: &str, message: &str) -> Self {
        match code {
            "42501" => ErrorKind::Privilege,
            "25006" => ErrorKind::ReadOnly,
            "55P03" | "55006" => ErrorKind::Lock,
            "XX000" if is_gone(message) => ErrorKind::Serialization,
            "25P04" => ErrorKind::Timeout,
            "25P03" => ErrorKind::Connection,
            // One code for both; the message tells them apart.
            "57014" if message.contains("timeout") => ErrorKind::Timeout,
            "57014" => ErrorKind::Cancelled,
            "57P01" | "57P02" | "57P03" | "57P05" => ErrorKind::Connection,
            "42P01" | "42703" | "42883" | "42704" | "42P02" | "3F000" | "3D000" | "57P04" => ErrorKind::Missing,
            "42P07" | "42710" | "42P06" | "42723" | "42701" | "42P04" | "2BP01" | "55000" => ErrorKind::Conflict,
            _ => Self::of_class(code.get(..2).unwrap_or_default()),
        }
    }

    fn of_class(class: &str) -> Self {
        match class {
            "08" => ErrorKind::Connection,
            "28" => ErrorKind::Authentication,
            "40" => ErrorKind::Serialization,
            "42" | "0A" => ErrorKind::Syntax,
            "21" | "22" | "23" | "44" | "P0" => ErrorKind::Data,
            "53" | "54" => ErrorKind::Resource,
            "58" => ErrorKind::Io,
            "F0" => ErrorKind::Config,
            _ => ErrorKind::Internal,
        }
    }
}

/// Whether a function of the server looked for what somebody dropped, or replaced, since the snapshot was taken. The server does not
/// translate its internal errors.
fn is_gone(message: &str) -> bool {
    let gone =
        |known: &str| message.strip_prefix(known).is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_digit()));
    gone("could not open relation with OID ") || gone("cache lookup failed for ")
}

/// The facts of a [`SqlError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SqlFacts {
    /// What it is about.
    pub kind: ErrorKind,
    /// Five characters, where the server spoke.
    pub sqlstate: Option<String>,
    /// One line.
    pub message: String,
    /// The server's second message.
    pub detail: Option<String>,
    /// The server's own hint.
    pub hint: Option<String>,
    /// 1-based, in characters, in the statement that was sent; never one inside a function's body.
    pub position: Option<usize>,
    /// The server's CONTEXT: the functions the error came through.
    pub context: Option<String>,
    /// The schema of the object it is about.
    pub schema: Option<String>,
    /// The table it is about.
    pub table: Option<String>,
    /// The column it is about.
    pub column: Option<String>,
    /// The constraint it is about.
    pub constraint: Option<String>,
    /// The role that the statement ran as, where it is not the connection's own.
    #[serde(skip)]
    pub role: Option<String>,
}

/// An error of a statement or of a connection, as plain facts. Its fields are those of [`SqlFacts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}", .0.message)]
#[serde(transparent)]
pub struct SqlError(Box<SqlFacts>);

impl SqlError {
    /// An error that did not come from the server.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(SqlFacts {
            kind,
            sqlstate: None,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            constraint: None,
            role: None,
        }))
    }

    /// An error as the server would send it: its kind is that of the SQLSTATE.
    pub fn with_sqlstate(sqlstate: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let kind = ErrorKind::of_sqlstate(sqlstate, &message);
        let mut error = Self::new(kind, message);
        error.0.sqlstate = Some(sqlstate.to_owned());
        error
    }

    /// The same error at another place: how positions in wrapped statements are mapped back.
    pub fn at(mut self, position: Option<usize>) -> Self {
        self.0.position = position;
        self
    }

    /// The same error with a hint.
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error with what is known beside the server's message.
    pub fn detailed(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The same error with the server's CONTEXT.
    pub fn within(mut self, context: Option<String>) -> Self {
        self.0.context = context;
        self
    }

    /// The same error of a statement that ran as this role.
    pub fn of_role(mut self, role: Option<&str>) -> Self {
        self.0.role = role.map(str::to_owned);
        self
    }

    /// The same error, of the only one of these relations that it may be about: the server names one that it refuses without its schema.
    pub fn of_one_of<'a>(mut self, relations: impl IntoIterator<Item = &'a QName>) -> Self {
        let refused = self.message.strip_prefix("permission denied for ").map(str::to_owned);
        let is_it = |relation: &&QName| {
            refused.as_ref().and_then(|what| what.strip_suffix(&relation.name)).is_some_and(|kind| kind.ends_with(' '))
        };
        let mut found = relations.into_iter().filter(is_it);
        if let (Some(it), None, None) = (found.next(), found.next(), &self.schema) {
            self.0.schema = Some(it.schema.clone());
        }
        self
    }

    /// The fixed word of its kind.
    pub fn kind_word(&self) -> &'static str {
        self.kind.as_str()
    }

    /// Whether the server sent this SQLSTATE.
    pub fn is(&self, sqlstate: &str) -> bool {
        self.sqlstate.as_deref() == Some(sqlstate)
    }

    /// Whether the same may pass when tried again: connection, lock, serialization, deadlock, timeout, too many connections.
    pub fn transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Connection | ErrorKind::Lock | ErrorKind::Serialization | ErrorKind::Timeout)
            || self.is("53300")
    }

    fn of_server(error: &PgDatabaseError) -> Self {
        let text = |part: Option<&str>| part.map(str::to_owned);
        let mut facts = Self::with_sqlstate(error.code(), error.message());
        facts.0.detail = text(error.detail());
        facts.0.hint = text(error.hint());
        facts.0.position = match error.position() {
            Some(PgErrorPosition::Original(at)) => Some(at),
            Some(PgErrorPosition::Internal { .. }) | None => None,
        };
        facts.0.context = text(error.r#where());
        facts.0.schema = text(error.schema());
        facts.0.table = text(error.table());
        facts.0.column = text(error.column());
        facts.0.constraint = text(error.constraint());
        facts
    }
}

impl Deref for SqlError {
    type Target = SqlFacts;

    fn deref(&self) -> &SqlFacts {
        &self.0
    }
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) => match inner.try_downcast_ref::<PgDatabaseError>() {
                Some(server) => Self::of_server(server),
                None => Self::new(ErrorKind::Internal, inner.message()),
            },
            sqlx::Error::Io(inner) => Self::new(ErrorKind::Connection, connection_words(inner)),
            sqlx::Error::Tls(inner) => Self::new(ErrorKind::Connection, format!("TLS: {inner}")),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::new(ErrorKind::Connection, error.to_string())
            }
            sqlx::Error::Configuration(_) => {
                let cause = error.source().map(ToString::to_string);
                Self::new(ErrorKind::Config, cause.unwrap_or_else(|| error.to_string()))
            }
            sqlx::Error::ColumnDecode { index, source } if source.is::<UnexpectedNullError>() => {
                // A function of the server that was asked for what somebody dropped since the snapshot was taken; who reads again and
                // again is told of what else there may be.
                let message = format!(
                    "there is no {} where there has to be one: what was being read was replaced meanwhile, or somebody else wrote to \
                     the registry",
                    index.trim_matches('"')
                );
                Self::new(ErrorKind::Serialization, message)
            }
            other => Self::new(ErrorKind::Internal, other.to_string()),
        }
    }
}

fn connection_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_have_kinds() {
        let kind = |code: &str, message: &str| ErrorKind::of_sqlstate(code, message).as_str();
        assert_eq!(kind("42501", ""), "privilege");
        assert_eq!(kind("42P01", ""), "missing");
        assert_eq!(kind("42601", ""), "syntax");
        assert_eq!(kind("40P01", ""), "serialization");
        assert_eq!(kind("23505", ""), "data");
        assert_eq!(kind("53100", ""), "resource");
        assert_eq!(kind("57014", "canceling statement due to statement timeout"), "timeout");
        assert_eq!(kind("57014", "canceling statement due to user request"), "cancelled");
        assert_eq!(kind("", ""), "internal");
        assert_eq!(kind("XX000", "could not open relation with OID 16599"), "serialization");
        assert_eq!(kind("XX000", "cache lookup failed for index 16600"), "serialization");
        assert_eq!(kind("XX000", "invalid memory alloc request size 1073741824"), "internal");
    }

    #[test]
    fn what_may_pass_next_time() {
        for code in ["08006", "55P03", "40001", "40P01", "53300", "57P03"] {
            assert!(SqlError::with_sqlstate(code, "").transient(), "{code}");
        }
        for code in ["42601", "42P01", "42501", "23505", "53100", "28P01"] {
            assert!(!SqlError::with_sqlstate(code, "").transient(), "{code}");
        }
    }
}
