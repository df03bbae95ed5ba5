//! How a refresh by changes begins: what it works with, its transaction, and what is found in it.

use sqlx::{AssertSqlSafe, PgConnection};

use super::task::{Task, of_values};
use super::watched;
use crate::build::position::{self, Look};
use crate::build::{CheckResult, Frame};
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::refresh::{Item, Options};

impl<'a> Task<'a> {
    /// Of this mart, with a transaction of its own; `None` where nothing says how it follows changes.
    pub fn of(
        conn: &'a mut PgConnection,
        item: &'a Item,
        live: &'a Relation,
        options: &'a Options,
        frame: &'a Frame,
        checks: &'a mut Vec<CheckResult>,
    ) -> Option<Self> {
        let watched = watched(item, options)?;
        let beside = options.beside.as_ref().filter(|_| options.parallel > 1);
        let (apart, kept, within) = (false, None, false);
        Some(Self { conn, item, live, watched, frame, checks, beside, apart, kept, within })
    }

    /// Begins the transaction, where nobody has, and looks where the mart stands; in words, why that cannot be told.
    pub async fn looked(&mut self) -> Result<Result<Look, String>, SqlError> {
        let begun = if self.within { Ok(()) } else { self.begin().await };
        let looked = match begun {
            Ok(()) => position::look(self.conn, &self.watched, true).await,
            Err(error) => Err(error),
        };
        match looked {
            Ok(look) => Ok(Ok(look)),
            Err(error) if error.is("42P01") || error.is("42703") => {
                Ok(Err("the logs of its sources are not there, or of other columns".to_owned()))
            }
            Err(error) if of_values(&error) => {
                Ok(Err(format!("what its sources logged cannot be told apart: {error}")))
            }
            Err(error) => Err(error),
        }
    }

    async fn begin(&mut self) -> Result<(), SqlError> {
        let mut begin = position::begin(&self.watched, self.frame.role.as_deref(), self.frame.lock_timeout_ms);
        begin.push_str(&self.against_writers());
        sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *self.conn).await?;
        Ok(())
    }
}
