//! What fills the next partitions of a mart.

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::bound;
use super::home::undividable;
use super::next::{Cut, NextPart, NextParts, Which};
use crate::build::copy::{close, same_columns};
use crate::build::run::run;
use crate::build::session::{Frame, SessionState};
use crate::build::statement;
use crate::catalog::{Attached, Relation, RelationKind, expired, homes, is_frozen, time_of};
use crate::database::{ErrorKind, SqlError};
use crate::plan::carry::rights;
use crate::plan::with;
use crate::sql::{attach, create_like, move_rows, near, retained, revoke_all, tablespace};
use crate::state::{
    Kind, Mart, Partition, PartitionBy, QName, derived_name, next_name, quote_ident, quote_idents, quote_literal,
    range_of,
};

/// What fills `<mart>__next`.
pub(super) struct Filling<'a> {
    pub mart: &'a Mart,
    pub live: &'a Relation,
    pub partition: &'a Partition,
    pub which: &'a Which,
    pub name: QName,
}

impl Filling<'_> {
    /// Makes it and fills it in the transaction that is open.
    pub async fn fill(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        frame: &Frame,
    ) -> Result<NextParts, SqlError> {
        let row = sqlx::query("SELECT pg_catalog.pg_current_snapshot()::text").fetch_one(&mut *conn).await?;
        let query = self.which.query.as_ref().unwrap_or(&self.mart.query);
        let parts = match self.only(conn, session, query, frame).await? {
            Some(only) => vec![only],
            None => self.fill_all(conn, session, query, frame).await?,
        };
        // Of what is frozen the log says nothing that is seen.
        let differ = self.which.touched.is_some() && self.which.cut.is_none();
        Ok(NextParts { name: self.name.clone(), parts, snapshot: row.try_get(0)?, differ })
    }

    async fn fill_all(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        query: &str,
        frame: &Frame,
    ) -> Result<Vec<NextPart>, SqlError> {
        let mut parts = self.make(conn, session, frame).await?;
        if self.is_told() {
            self.say_bounds(conn, session, &mut parts, frame).await?;
        }
        let columns = self.columns();
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
        let condition = (!conditions.is_empty()).then(|| conditions.join(" AND "));
        let into = match parts.as_slice() {
            // Nobody has to look where each row goes.
            [only] if self.is_told() => &only.next,
            _ => &self.name,
        };
        let insert = self.insert(into, query, condition.as_deref());
        let written = run(conn, session, frame, &insert).await?;
        if let [only] = parts.as_mut_slice()
            && self.is_told()
            && self.which.cut.is_none()
        {
            only.rows = Some(written);
        }
        self.rest(conn, session, &mut parts, frame).await?;
        session.leave(conn).await?;
        Ok(parts)
    }

    /// Makes it, without rows.
    pub async fn make(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        frame: &Frame,
    ) -> Result<Vec<NextPart>, SqlError> {
        self.same_columns(conn, session, &self.kept(&self.mart.query), frame).await?;
        let parts = self.parts(clock(conn).await?)?;
        for sql in self.create(&parts) {
            run(conn, session, frame, &sql).await?;
        }
        Ok(parts)
    }

    /// What each partition takes, said before there are rows: each is looked at as it comes, and not all of them again.
    async fn say_bounds(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        parts: &mut [NextPart],
        frame: &Frame,
    ) -> Result<(), SqlError> {
        session.leave(conn).await?;
        // As the server prints names it means, whatever the mart's own search path is.
        let plain = Frame { settings: Vec::new(), ..frame.clone() };
        let mut statements = Vec::new();
        for part in parts {
            let Some(live) = &part.live else { continue };
            statements.extend(bound::of(conn, live.oid).await?.map(|condition| bound::add(&part.next, &condition)));
            part.bounded = true;
        }
        for sql in statements {
            run(conn, session, &plain, &sql).await?;
        }
        Ok(())
    }

    /// A query without the rows that are too old to be kept.
    fn kept(&self, query: &str) -> String {
        retained(self.mart, query, |name| {
            Some(self.live.columns.iter().find(|column| column.name == name)?.type_name.clone())
        })
    }

    fn columns(&self) -> String {
        quote_idents(self.live.columns.iter().map(|column| &column.name))
    }

    /// The rows of a query that meet a condition.
    pub fn select(&self, query: &str, condition: Option<&str>) -> String {
        let condition = condition.map(|condition| format!("\nWHERE {condition}")).unwrap_or_default();
        format!("SELECT {} FROM (\n{}\n) AS q{condition}", self.columns(), self.kept(query).trim())
    }

    /// What writes them into a relation.
    pub fn insert(&self, into: &QName, query: &str, condition: Option<&str>) -> String {
        format!("INSERT INTO {into} ({})\n{}", self.columns(), self.select(query, condition))
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

    /// The partitions that are computed. One that is too old to be kept and cannot go yet has rows that nothing computes again:
    /// it stays as it is.
    pub fn parts(&self, now: DateTime<Utc>) -> Result<Vec<NextPart>, SqlError> {
        let expired: Vec<i64> = expired(self.mart, self.live, now).into_iter().map(|attached| attached.oid).collect();
        let recent = |attached: &&Attached| match (&self.which.cut, self.ends(attached)) {
            (Some(cut), Some(end)) => end > cut.at,
            _ => true,
        };
        let touched = |attached: &&Attached| {
            self.which.touched.as_ref().is_none_or(|(touched, _)| touched.parts.contains(&attached.oid))
        };
        let kept = |attached: &&Attached| !expired.contains(&attached.oid);
        let parts = self.live.partitions.iter().filter(recent).filter(touched).filter(kept);
        parts
            .map(|attached| match attached.kind {
                RelationKind::Table => Ok(NextPart {
                    live: Some(attached.clone()),
                    name: attached.name.clone(),
                    next: attached.name.sibling(next_name(&attached.name.name)),
                    bound: attached.bound.clone(),
                    condition: None,
                    bounded: false,
                    rows: None,
                    held: None,
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

    /// Rows that no partition takes are found in one of their own instead of stopping at the first of them; of a hash there are none.
    pub fn catches(&self, parts: &[NextPart]) -> bool {
        let hash = matches!(self.partition.by, PartitionBy::Hash { .. });
        let told = self.is_told() && !parts.is_empty();
        !hash && !told && !parts.iter().any(NextPart::is_default)
    }

    /// Whether there are no rows but those of partitions that are there.
    pub fn is_told(&self) -> bool {
        self.which.touched.as_ref().is_some_and(|(touched, _)| !touched.others)
    }

    /// What takes the rows that no partition takes.
    pub fn default_name(&self) -> QName {
        self.name.sibling(next_name(&derived_name(&self.mart.name.name, "_default")))
    }

    fn create(&self, parts: &[NextPart]) -> Vec<String> {
        let (name, tablespace) = (&self.name, tablespace(self.live.tablespace.as_ref()));
        let mut sql = self.parent();
        for part in parts {
            let options = part.live.as_ref().map(|attached| with(&attached.options)).unwrap_or_default();
            sql.push(format!("CREATE TABLE {} PARTITION OF {name} {}{options}{tablespace}", part.next, part.bound));
        }
        sql.extend(self.rights(parts));
        if self.catches(parts) {
            sql.push(format!("CREATE TABLE {} PARTITION OF {name} DEFAULT", self.default_name()));
        }
        sql
    }

    /// What makes the relation that holds the next partitions.
    pub fn parent(&self) -> Vec<String> {
        let (live, name) = (self.live, &self.name);
        let key = live.partitioned_by.clone().unwrap_or_else(|| self.partition.key());
        let tablespace = tablespace(live.tablespace.as_ref());
        vec![
            create_like(&live.name, name, &format!(" PARTITION BY {key}{tablespace}")),
            statement::mark_next(Kind::PartitionedTable, &self.mart.name, name),
        ]
    }

    /// Whoever reads the mart reads its partitions through it: where its grants are declared they have none of their own, else
    /// each keeps those of the one whose place it takes.
    pub fn rights(&self, parts: &[NextPart]) -> Vec<String> {
        let old = |part: &NextPart| part.live.as_ref().filter(|_| self.mart.grants.is_none()).cloned();
        let tables: Vec<QName> = parts.iter().map(|part| part.next.clone()).collect();
        let mut sql = if tables.is_empty() { Vec::new() } else { vec![revoke_all(&tables)] };
        for (part, before) in parts.iter().filter_map(|part| Some((part, old(part)?))) {
            // The server has each privilege by its own word, so that no version matters.
            sql.extend(rights(&part.next, std::iter::empty(), &before.grants, 0));
        }
        sql
    }

    /// Rows for which there is no partition yet: they get theirs.
    pub async fn rest(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        parts: &mut Vec<NextPart>,
        frame: &Frame,
    ) -> Result<(), SqlError> {
        if !self.catches(parts) {
            return Ok(());
        }
        let (rest, column) = (self.default_name(), quote_ident(&self.partition.column));
        let homeless = |rows: i64, values: String| {
            let message = format!("{rows} rows have no partition: {values}");
            SqlError::new(ErrorKind::Data, format!("{message}; set `default = true` in [partition], or leave them out"))
        };
        if time_of(self.mart, &self.live.columns).is_none() {
            let sql = format!("SELECT count(*), min({column}::text) FROM {rest}");
            let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *conn).await?;
            let rows: i64 = row.try_get(0)?;
            let value = row.try_get::<Option<String>, _>(1)?.unwrap_or_else(|| "NULL".to_owned());
            return if rows == 0 { Ok(()) } else { Err(homeless(rows, format!("{column} is {value} for example"))) };
        }
        session.enter(conn, frame).await?;
        let span = format!(
            "SELECT count(*), count(*) FILTER (WHERE f), {}, {} \
             FROM (SELECT {column}, coalesce(isfinite({column}), false) AS f FROM {rest}) AS r",
            near(&format!("min({column}) FILTER (WHERE f)")),
            near(&format!("max({column}) FILTER (WHERE f)"))
        );
        let row = sqlx::query(AssertSqlSafe(span)).persistent(false).fetch_one(&mut *conn).await?;
        let (all, finite): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        if all > finite {
            return Err(homeless(all - finite, format!("{column} is NULL or infinite")));
        }
        let (Some(first), Some(last)) = (row.try_get(2)?, row.try_get(3)?) else { return Ok(()) };
        // Those in between, too: the others begin where these end.
        let now = clock(conn).await?;
        let pieces = homes(self.mart, self.live, (first, last), now);
        let mut pieces = pieces.map_err(undividable)?;
        pieces.retain(|piece| piece.range.is_some() && !is_frozen(self.mart, self.live, piece, now));
        let columns = quote_idents(self.live.columns.iter().map(|column| &column.name));
        let storage = with(&self.live.options) + &tablespace(self.live.tablespace.as_ref());
        for piece in pieces.iter().filter(|piece| !self.live.partitions.iter().any(|p| p.bound == piece.bound)) {
            let next = piece.name.sibling(next_name(&piece.name.name));
            let condition = piece.condition(&self.partition.column).unwrap_or_default();
            let mut statements = vec![create_like(&self.live.name, &next, &storage)];
            statements.extend(self.mart.grants.as_ref().map(|_| revoke_all(std::slice::from_ref(&next))));
            statements.push(move_rows(&rest, &next, &columns, &condition));
            statements.push(attach(&self.name, piece, &next));
            for sql in statements {
                run(conn, session, frame, &sql).await?;
            }
            parts.push(NextPart {
                live: None,
                name: piece.name.clone(),
                next,
                bound: piece.bound.clone(),
                condition: Some(format!("{column} IS NOT NULL AND {condition}")),
                bounded: false,
                rows: None,
                held: None,
            });
        }
        let left = sqlx::query(AssertSqlSafe(format!("SELECT count(*) FROM {rest}"))).fetch_one(&mut *conn).await?;
        match left.try_get(0)? {
            0 => Ok(()),
            left => Err(homeless(left, format!("what stands where those of their {column} belong takes others"))),
        }
    }
}

/// Those of the relations that LOCK takes and whose owner, as which it runs, may: a right on some columns lets it read, and not lock.
/// Behind views it locks what they read.
/// <https://www.postgresql.org/docs/current/sql-lock.html>
const LOCKABLE: &str = "SELECT coalesce(pg_catalog.array_agg(n.name), '{}') AS names
    FROM pg_catalog.unnest($1::text[]) AS n (name) JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(n.name)
    WHERE c.relkind IN ('r', 'p', 'v') AND pg_catalog.has_table_privilege(coalesce($2, current_user), c.oid, 'SELECT')";

/// Begins the transaction of a fill, with locks on what it reads: behind them its snapshot sees all rows of that. A table that
/// another took the place of in between would be empty to it.
pub(super) async fn begin(conn: &mut PgConnection, reads: &[QName], frame: &Frame) -> Result<(), SqlError> {
    let reads: Vec<String> = reads.iter().map(ToString::to_string).collect();
    let row = sqlx::query(LOCKABLE).bind(&reads).bind(&frame.role).fetch_one(&mut *conn).await?;
    let reads: Vec<String> = row.try_get("names")?;
    let mut sql = "BEGIN ISOLATION LEVEL REPEATABLE READ;".to_owned();
    if !reads.is_empty() {
        let role = frame.role.as_ref().map(|role| format!("SET LOCAL ROLE {};", quote_ident(role)));
        sql += &format!("SET LOCAL lock_timeout = {};{}", frame.lock_timeout_ms, role.unwrap_or_default());
        sql += &format!("LOCK TABLE {} IN ACCESS SHARE MODE;RESET ROLE;RESET lock_timeout", reads.join(", "));
    }
    let begun: Result<(), SqlError> =
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await.map(drop).map_err(Into::into);
    match begun {
        // Behind a view stands what its owner may read in part: that is read without a lock.
        Err(error) if error.is("42501") => {
            sqlx::raw_sql("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ").execute(&mut *conn).await?;
            Ok(())
        }
        Err(error) => close(conn, Err(error)).await,
        Ok(()) => Ok(()),
    }
}

/// The server's time, which within a transaction is that of its beginning.
pub(super) async fn clock(conn: &mut PgConnection) -> Result<DateTime<Utc>, SqlError> {
    Ok(sqlx::query("SELECT pg_catalog.now()").fetch_one(conn).await?.try_get(0)?)
}
