//! The next rows of a partitioned mart, or of some of its partitions, divided as it is.

use chrono::NaiveDateTime;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::touched::Touched;
use crate::build::check::{CheckResult, check_all, failure};
use crate::build::copy::{Needed, close, remove_leftovers, same_columns};
use crate::build::run::run;
use crate::build::session::{Frame, SessionState};
use crate::build::statement;
use crate::catalog::{Attached, Relation, RelationKind, time_of};
use crate::database::{ErrorKind, SqlError};
use crate::plan::with;
use crate::sql::{attach, create_like, move_rows, retained, tablespace};
use crate::state::{
    Kind, Mart, Partition, PartitionBy, QName, derived_name, next_name, quote_ident, quote_idents, quote_literal,
    range_of,
};

/// From when on rows are computed; older ones stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// On the wall of the mart's zone.
    pub at: NaiveDateTime,
    /// The same as a value of the mart's column.
    pub value: String,
    /// Whether rows without a time stay, too.
    pub keeps_timeless: bool,
}

/// Which rows are computed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Those from then on.
    pub cut: Option<Cut>,
    /// Those of some partitions, and the condition that they meet.
    pub touched: Option<(Touched, String)>,
    /// The query that gives them, and perhaps others; absent: the mart's.
    pub query: Option<String>,
}

/// The next rows of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPart {
    /// The partition there is; `None`: it is new.
    pub live: Option<Attached>,
    /// The name it will have.
    pub name: QName,
    /// The name it has until then.
    pub next: QName,
    /// What it takes.
    pub bound: String,
    /// The same as a condition, of a new one.
    pub condition: Option<String>,
}

impl NextPart {
    /// Whether it takes what no other takes.
    pub fn is_default(&self) -> bool {
        self.bound == "DEFAULT"
    }
}

/// The next rows, divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextParts {
    /// The relation that holds them.
    pub name: QName,
    /// Its partitions that stand for one of the mart.
    pub parts: Vec<NextPart>,
    /// `pg_current_snapshot()` of the fill.
    pub snapshot: String,
}

/// Fills `<mart>__next`, divided as `live` is, from the mart's query, runs the mart's checks on it in the same snapshot, and
/// commits. There are only the partitions `which` speaks of. The caller holds the mart's lock.
///
/// # Errors
/// What PostgreSQL says, or a check that does not pass; nothing is left behind then.
pub async fn build_parts(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    which: &Which,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<NextParts, SqlError> {
    remove_leftovers(conn, &mart.name, Needed::Yes, frame).await?;
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut *conn).await?;
    let outcome = fill_parts(conn, mart, live, which, frame, checks).await;
    close(conn, outcome).await
}

/// The same in a transaction that the caller began, and ends; nothing is left of builds before it.
///
/// # Errors
/// What PostgreSQL says, or a check that does not pass.
pub async fn fill_parts(
    conn: &mut PgConnection,
    mart: &Mart,
    live: &Relation,
    which: &Which,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<NextParts, SqlError> {
    let Some(partition) = &mart.partition else {
        return Err(SqlError::new(ErrorKind::Internal, format!("{} is not divided", mart.name)));
    };
    let filling = Filling { mart, live, partition, which, name: mart.name.sibling(next_name(&mart.name.name)) };
    let mut session = SessionState::in_transaction();
    let next = filling.fill(conn, &mut session, frame).await?;
    check_all(conn, &mut session, frame, mart, &filling.name, checks).await?;
    match failure(checks) {
        Some(error) => Err(error),
        None => Ok(next),
    }
}

struct Filling<'a> {
    mart: &'a Mart,
    live: &'a Relation,
    partition: &'a Partition,
    which: &'a Which,
    name: QName,
}

impl Filling<'_> {
    async fn fill(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        frame: &Frame,
    ) -> Result<NextParts, SqlError> {
        let row = sqlx::query("SELECT pg_catalog.pg_current_snapshot()::text").fetch_one(&mut *conn).await?;
        let type_of = |name: &str| Some(self.live.columns.iter().find(|c| c.name == name)?.type_name.clone());
        let query = retained(self.mart, self.which.query.as_ref().unwrap_or(&self.mart.query), type_of);
        self.same_columns(conn, session, &query, frame).await?;
        let mut parts = self.parts()?;
        for sql in self.create(&parts) {
            run(conn, session, frame, &sql).await?;
        }
        let columns = quote_idents(self.live.columns.iter().map(|column| &column.name));
        let mut insert =
            format!("INSERT INTO {} ({columns})\nSELECT {columns} FROM (\n{}\n) AS q", self.name, query.trim());
        let mut conditions: Vec<String> = self.which.touched.iter().map(|(_, condition)| condition.clone()).collect();
        if let Some(cut) = &self.which.cut {
            let (computed, kept) = self.conditions(cut);
            conditions.push(format!("({computed})"));
            for attached in
                parts.iter().filter_map(|part| part.live.as_ref()).filter(|part| self.reaches_back(part, cut))
            {
                let sql = format!(
                    "INSERT INTO {} ({columns}) SELECT {columns} FROM {} WHERE {kept}",
                    self.name, attached.name
                );
                run(conn, session, frame, &sql).await?;
            }
        }
        if !conditions.is_empty() {
            insert.push_str(&format!("\nWHERE {}", conditions.join(" AND ")));
        }
        run(conn, session, frame, &insert).await?;
        self.rest(conn, session, &mut parts, frame).await?;
        session.leave(conn).await?;
        Ok(NextParts { name: self.name.clone(), parts, snapshot: row.try_get(0)? })
    }

    /// A table of the query's columns, for as long as it takes to compare them.
    async fn same_columns(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        query: &str,
        frame: &Frame,
    ) -> Result<(), SqlError> {
        run(conn, session, frame, &format!("CREATE TABLE {} AS\n{}\nWITH NO DATA", self.name, query.trim())).await?;
        session.leave(conn).await?;
        same_columns(conn, &self.name, self.live).await?;
        run(conn, session, frame, &format!("DROP TABLE {}", self.name)).await?;
        Ok(())
    }

    /// The partitions that are computed.
    fn parts(&self) -> Result<Vec<NextPart>, SqlError> {
        let recent = |attached: &&Attached| match (&self.which.cut, self.ends(attached)) {
            (Some(cut), Some(end)) => end > cut.at,
            _ => true,
        };
        let touched = |attached: &&Attached| {
            self.which.touched.as_ref().is_none_or(|(touched, _)| touched.parts.contains(&attached.oid))
        };
        let parts = self.live.partitions.iter().filter(recent).filter(touched);
        parts
            .map(|attached| match attached.kind {
                RelationKind::Table => Ok(NextPart {
                    live: Some(attached.clone()),
                    name: attached.name.clone(),
                    next: attached.name.sibling(next_name(&attached.name.name)),
                    bound: attached.bound.clone(),
                    condition: None,
                }),
                other => {
                    let what =
                        format!("its partition {} is a {}, which datamart cannot fill", attached.name, other.label());
                    Err(SqlError::new(ErrorKind::Conflict, format!("{what}; detach it")))
                }
            })
            .collect()
    }

    /// Until before when a partition by time takes rows.
    fn ends(&self, attached: &Attached) -> Option<NaiveDateTime> {
        let (kind, zone) = time_of(self.mart, &self.live.columns)?.ok()?;
        kind.read(&range_of(&attached.bound)?.1, zone)
    }

    /// Whether a partition holds rows from before `cut`.
    fn reaches_back(&self, attached: &Attached, cut: &Cut) -> bool {
        let time = time_of(self.mart, &self.live.columns).and_then(Result::ok);
        let begins = time.and_then(|(kind, zone)| kind.read(&range_of(&attached.bound)?.0, zone));
        begins.is_none_or(|begins| begins < cut.at)
    }

    /// Which rows are computed, and which stay.
    fn conditions(&self, cut: &Cut) -> (String, String) {
        let (column, value) = (quote_ident(&self.partition.column), quote_literal(&cut.value));
        match cut.keeps_timeless {
            true => (format!("q.{column} >= {value}"), format!("{column} < {value} OR {column} IS NULL")),
            false => (format!("q.{column} >= {value} OR q.{column} IS NULL"), format!("{column} < {value}")),
        }
    }

    fn default_name(&self) -> QName {
        self.name.sibling(next_name(&derived_name(&self.mart.name.name, "_default")))
    }

    fn create(&self, parts: &[NextPart]) -> Vec<String> {
        let (live, name) = (self.live, &self.name);
        let key = live.partitioned_by.clone().unwrap_or_else(|| self.partition.key());
        let tablespace = tablespace(live.tablespace.as_ref());
        let mut sql = vec![
            create_like(&live.name, name, &format!(" PARTITION BY {key}{tablespace}")),
            statement::mark_next(Kind::PartitionedTable, &self.mart.name, name),
        ];
        for part in parts {
            let options = part.live.as_ref().map(|attached| with(&attached.options)).unwrap_or_default();
            sql.push(format!("CREATE TABLE {} PARTITION OF {name} {}{options}{tablespace}", part.next, part.bound));
        }
        // Rows that no partition takes are found there instead of stopping at the first of them.
        if !matches!(self.partition.by, PartitionBy::Hash { .. }) && !parts.iter().any(NextPart::is_default) {
            sql.push(format!("CREATE TABLE {} PARTITION OF {name} DEFAULT", self.default_name()));
        }
        sql
    }

    /// Rows for which there is no partition yet: they get theirs.
    async fn rest(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        parts: &mut Vec<NextPart>,
        frame: &Frame,
    ) -> Result<(), SqlError> {
        if matches!(self.partition.by, PartitionBy::Hash { .. }) || parts.iter().any(NextPart::is_default) {
            return Ok(());
        }
        let (rest, column) = (self.default_name(), quote_ident(&self.partition.column));
        let homeless = |rows: i64, values: String| {
            let message = format!("{rows} rows have no partition: {values}");
            SqlError::new(ErrorKind::Data, format!("{message}; set `default = true` in [partition], or leave them out"))
        };
        let Some(time) = time_of(self.mart, &self.live.columns) else {
            let sql = format!("SELECT count(*), min({column}::text) FROM {rest}");
            let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *conn).await?;
            let rows: i64 = row.try_get(0)?;
            let value = row.try_get::<Option<String>, _>(1)?.unwrap_or_else(|| "NULL".to_owned());
            return if rows == 0 { Ok(()) } else { Err(homeless(rows, format!("{column} is {value} for example"))) };
        };
        let time = time.map_err(|error| SqlError::new(ErrorKind::Data, error.to_string()))?;
        session.enter(conn, frame).await?;
        let span = format!(
            "SELECT count(*), count(*) FILTER (WHERE f), (min({column}) FILTER (WHERE f))::timestamp, \
             (max({column}) FILTER (WHERE f))::timestamp FROM (SELECT {column}, coalesce(isfinite({column}), false) AS f FROM {rest}) AS r"
        );
        let row = sqlx::query(AssertSqlSafe(span)).persistent(false).fetch_one(&mut *conn).await?;
        let (all, finite): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if all > finite {
            return Err(homeless(all - finite, format!("{column} is NULL or infinite")));
        }
        let (Some(first), Some(last)) = (row.try_get(2)?, row.try_get(3)?) else { return Ok(()) };
        let pieces = self.partition.between(&self.mart.name, time, first, last);
        let pieces = pieces.map_err(|error| SqlError::new(ErrorKind::Data, error.to_string()))?;
        let columns = quote_idents(self.live.columns.iter().map(|column| &column.name));
        let storage = with(&self.live.options) + &tablespace(self.live.tablespace.as_ref());
        for piece in pieces.iter().filter(|piece| !self.live.partitions.iter().any(|p| p.bound == piece.bound)) {
            let next = piece.name.sibling(next_name(&piece.name.name));
            let condition = piece.condition(&self.partition.column).unwrap_or_default();
            let statements = [
                create_like(&self.live.name, &next, &storage),
                move_rows(&rest, &next, &columns, &condition),
                attach(&self.name, piece, &next),
            ];
            for sql in statements {
                run(conn, session, frame, &sql).await?;
            }
            parts.push(NextPart {
                live: None,
                name: piece.name.clone(),
                next,
                bound: piece.bound.clone(),
                condition: Some(format!("{column} IS NOT NULL AND {condition}")),
            });
        }
        let left = sqlx::query(AssertSqlSafe(format!("SELECT count(*) FROM {rest}"))).fetch_one(&mut *conn).await?;
        match left.try_get(0)? {
            0 => Ok(()),
            left => Err(homeless(left, format!("what stands where those of their {column} belong takes others"))),
        }
    }
}
