//! One partition filled by itself: made by its query, which costs less than rows that are put into it one by one and may be
//! planned for several workers, and put into its place among the next ones once it is there.

use sqlx::{PgConnection, Row};

use super::bound;
use super::filling::{Filling, clock};
use super::next::NextPart;
use crate::build::copy::same_columns;
use crate::build::run::run;
use crate::build::session::{Frame, SessionState};
use crate::catalog::ExtraKind;
use crate::database::SqlError;
use crate::plan::with;
use crate::sql::tablespace;
use crate::state::{QName, quote_ident};

/// Until what was built is published nobody misses it, and the server writes whatever comes before that commit along with it.
/// What is indexed is committed again before it is vacuumed, which marks no row visible that is not on disk yet.
const NOBODY_WAITS: &str = "SET LOCAL synchronous_commit = off";

/// Whether columns of both are compared alike.
const SAME_COLLATIONS: &str =
    "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_attribute AS b USING (attname)
    WHERE a.attrelid = pg_catalog.to_regclass($1) AND b.attrelid = pg_catalog.to_regclass($2)
    AND a.attnum > 0 AND b.attnum > 0 AND a.attcollation <> b.attcollation)";

impl Filling<'_> {
    /// The only partition that changes touch, computed.
    pub(super) async fn only(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        query: &str,
        frame: &Frame,
    ) -> Result<Option<NextPart>, SqlError> {
        let Some((touched, condition)) = self.which.touched.as_ref().filter(|_| self.is_told()) else {
            return Ok(None);
        };
        if touched.parts.len() != 1 || self.which.cut.is_some() {
            return Ok(None);
        }
        let Ok([mut only]) = <[NextPart; 1]>::try_from(self.parts(clock(conn).await?)?) else { return Ok(None) };
        let query = self.select(query, Some(condition));
        Ok(self.fill_alone(conn, session, (&mut only, &query), frame).await?.then_some(only))
    }

    /// Makes `part`, the only one there is to compute, by `query`, and what holds it. Whether it did: what a query cannot say of
    /// a table asks for one that is made first.
    async fn fill_alone(
        &self,
        conn: &mut PgConnection,
        session: &mut SessionState,
        (part, query): (&mut NextPart, &str),
        frame: &Frame,
    ) -> Result<bool, SqlError> {
        let plain = |kind: ExtraKind| !matches!(kind, ExtraKind::Default | ExtraKind::Column | ExtraKind::Check);
        let Some(live) = part.live.as_ref().filter(|_| self.live.extras.iter().all(|extra| plain(extra.kind))) else {
            return Ok(false);
        };
        let storage = with(&live.options) + &tablespace(self.live.tablespace.as_ref());
        let rows = run(conn, session, frame, &format!("CREATE TABLE {}{storage} AS\n{query}", part.next)).await?;
        session.leave(conn).await?;
        same_columns(conn, &part.next, self.live).await?;
        if !self.same_collations(conn, &part.next).await? {
            run(conn, session, frame, &format!("DROP TABLE {}", part.next)).await?;
            return Ok(false);
        }
        let condition = bound::of(conn, live.oid).await?;
        for sql in self.parent() {
            run(conn, session, frame, &sql).await?;
        }
        session.leave(conn).await?;
        // As the server prints names it means, whatever the mart's own search path is.
        let plain = Frame { settings: Vec::new(), ..frame.clone() };
        let missing = self.live.columns.iter().filter(|column| column.not_null);
        let missing = missing.map(|column| format!("ALTER COLUMN {} SET NOT NULL", quote_ident(&column.name)));
        let all: Vec<String> = missing.chain(condition.as_deref().map(bound::constraint)).collect();
        if !all.is_empty() {
            // Rows are looked at once for all of them.
            run(conn, session, &plain, &format!("ALTER TABLE {} {}", part.next, all.join(", "))).await?;
        }
        let attach = format!("ALTER TABLE {} ATTACH PARTITION {} {}", self.name, part.next, part.bound);
        run(conn, session, &plain, &attach).await?;
        session.leave(conn).await?;
        (part.bounded, part.rows) = (true, Some(rows));
        for sql in self.rights(std::slice::from_ref(part)) {
            run(conn, session, frame, &sql).await?;
        }
        session.leave(conn).await?;
        if self.live.indexes.values().any(|index| index.valid) {
            sqlx::raw_sql(NOBODY_WAITS).execute(conn).await?;
        }
        Ok(true)
    }

    async fn same_collations(&self, conn: &mut PgConnection, next: &QName) -> Result<bool, SqlError> {
        let row = sqlx::query(SAME_COLLATIONS).bind(next.to_string()).bind(self.live.name.to_string());
        Ok(row.fetch_one(conn).await?.try_get(0)?)
    }
}
