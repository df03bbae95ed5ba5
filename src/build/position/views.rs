//! Views that came with the rows that were computed by them.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{Look, Watched};
use crate::database::SqlError;
use crate::state::QName;

impl Look {
    /// With those of the views that were `made` since the look as they are now: the rows were computed by them. Of all others somebody
    /// may have made another one meanwhile.
    ///
    /// # Errors
    /// What the server says.
    pub async fn with_views(
        mut self,
        conn: &mut PgConnection,
        watched: &Watched<'_>,
        made: &BTreeSet<&QName>,
    ) -> Result<Self, SqlError> {
        let views = &watched.changes.views;
        if !views.iter().any(|view| made.contains(view)) {
            return Ok(self);
        }
        let names: Vec<String> = views.iter().map(ToString::to_string).collect();
        let new: Vec<bool> = views.iter().map(|view| made.contains(view)).collect();
        let sql = "SELECT DISTINCT r.ev_class, r.ev_class || ':' AS number, r.ev_class || ':' || r.xmin AS now, n.made \
                   FROM unnest($1::text[], $2::bool[]) AS n (name, made) \
                   JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = pg_catalog.to_regclass(n.name) AND r.rulename = '_RETURN' ORDER BY 1";
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(names).bind(new).fetch_all(conn).await?;
        let mut known = Vec::new();
        for row in rows {
            let (number, now): (String, String) = (row.try_get("number")?, row.try_get("now")?);
            let seen = self.now.stand.views.split(' ').find(|view| view.starts_with(&number)).map(str::to_owned);
            known.extend(if row.try_get("made")? { Some(now) } else { seen });
        }
        self.now.stand.views = known.join(" ");
        Ok(self)
    }
}
