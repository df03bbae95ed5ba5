//! Everything that can go wrong on the way to a database.

use std::path::{Path, PathBuf};

use super::{ErrorKind, SqlError};
use crate::state::{quote_ident, quote_role};

/// An error of this module. Its text never contains a password or a URL's user information.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// No database is configured, or its address cannot be read.
    #[error("{message}")]
    Config {
        /// What is wrong and what to write.
        message: String,
    },
    /// No session could be opened.
    #[error("cannot connect to {target}")]
    Connect {
        /// The endpoint's label.
        target: String,
        /// Why.
        #[source]
        source: SqlError,
    },
    /// A statement failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A pooler hands out another backend for every transaction, so session locks mean nothing.
    #[error(
        "{target} is behind a pooler in transaction mode, where session locks do not hold; \
         set direct_url in [database] of project.toml to the server's own address"
    )]
    Pooler {
        /// The endpoint's label.
        target: String,
    },
    /// PostgreSQL's server programs are not on this machine.
    #[error("the embedded server needs PostgreSQL's own programs, and found none ({looked})")]
    NoBinaries {
        /// Where they were looked for.
        looked: String,
        /// What to install on this system, as a command.
        install: String,
    },
    /// The embedded server's data was made by another major version.
    #[error(
        "{} was made by PostgreSQL {found}, and this machine has {installed}", data.display()
    )]
    OtherMajor {
        /// The data directory.
        data: PathBuf,
        /// The major version it was made by.
        found: String,
        /// The major version at hand.
        installed: String,
    },
    /// The embedded server would not start, stop or take its settings.
    #[error("the embedded server: {message}")]
    Embedded {
        /// What happened, with the last lines of its log.
        message: String,
    },
    /// The seed script failed; its database was dropped again.
    #[error("{}: the seed script failed", place(file, *line))]
    Seed {
        /// The script.
        file: PathBuf,
        /// 1-based line, where the server told it.
        line: Option<usize>,
        /// What the server said.
        #[source]
        source: SqlError,
    },
    /// A file of ours could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `create`, `lock`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The registry was written by a newer datamart.
    #[error(
        "the registry in schema {schema} has format {found}, and this datamart knows up to {known}; \
         use the newer datamart"
    )]
    NewerRegistry {
        /// The registry's schema.
        schema: String,
        /// Its format.
        found: i32,
        /// The newest format this program knows.
        known: i32,
    },
    /// The registry was written in another database: a restore or a clone.
    #[error(
        "the registry in schema {schema} was written in another database ({database}), and came here with a \
         restore or a clone; `datamart claim` takes it over"
    )]
    ForeignRegistry {
        /// The registry's schema.
        schema: String,
        /// The database's name where it was written.
        database: String,
    },
    /// The role may not read the registry.
    #[error("role {role} may not read the registry in schema {schema}")]
    ClosedRegistry {
        /// The registry's schema.
        schema: String,
        /// Who is connected.
        role: String,
    },
}

impl DatabaseError {
    /// The fixed word of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            DatabaseError::Sql(source) | DatabaseError::Connect { source, .. } | DatabaseError::Seed { source, .. } => {
                source.kind.as_str()
            }
            DatabaseError::Config { .. }
            | DatabaseError::Pooler { .. }
            | DatabaseError::NoBinaries { .. }
            | DatabaseError::OtherMajor { .. }
            | DatabaseError::NewerRegistry { .. }
            | DatabaseError::ForeignRegistry { .. } => ErrorKind::Config.as_str(),
            DatabaseError::ClosedRegistry { .. } => ErrorKind::Privilege.as_str(),
            DatabaseError::Embedded { .. } => ErrorKind::Internal.as_str(),
            DatabaseError::Io { .. } => ErrorKind::Io.as_str(),
        }
    }

    /// Whether the same may pass when tried again.
    pub fn transient(&self) -> bool {
        self.sql().is_some_and(SqlError::transient)
    }

    /// What PostgreSQL said, where it was PostgreSQL.
    pub fn sql(&self) -> Option<&SqlError> {
        match self {
            DatabaseError::Sql(source) | DatabaseError::Connect { source, .. } | DatabaseError::Seed { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }

    /// The way out, where it is known without looking further.
    pub fn way_out(&self) -> Option<String> {
        match self {
            DatabaseError::NoBinaries { install, .. } => {
                Some(format!("install the server with `{install}`, or name a database with --database-url"))
            }
            DatabaseError::OtherMajor { data, found, .. } => Some(format!(
                "install PostgreSQL {found} beside it, or remove {} to start with an empty database",
                data.display()
            )),
            DatabaseError::ClosedRegistry { schema, role } => {
                let (schema, role) = (quote_ident(schema), quote_role(role));
                Some(format!(
                    "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};"
                ))
            }
            _ => None,
        }
    }
}

fn place(file: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", file.display()),
        None => file.display().to_string(),
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::Sql(error.into())
    }
}
