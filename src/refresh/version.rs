//! `on = "refresh"`: a refresh makes another version, and the ones before it stay as they were.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection};

use super::again::before_publishing;
use super::outcome::Outcome;
use super::{Item, Options};
use crate::apply;
use crate::build::{self, CheckResult, Frame, SessionState, Tries};
use crate::catalog::{Actual, ReadSignature, Recorded, Relation};
use crate::database::{ErrorKind, SqlError};
use crate::manifest::{stable_mart, version_mart};
use crate::plan::{self, Action, Expired, PartRow, Record, RecordRow};
use crate::state::{Mart, QName, version_name};

/// A versioned mart of which every refresh makes another version.
#[derive(Debug, Clone)]
pub struct Series {
    /// The mart's row.
    row: Recorded,
    /// The view of its name.
    view: Option<Relation>,
    /// Those that go when another one is published.
    expired: Vec<Expired>,
    major: i32,
}

/// Why a refresh of a mart makes another version.
pub fn another_version(row: &Recorded) -> String {
    format!("version {} (on = \"refresh\")", row.next_version())
}

impl Series {
    /// What another version of the mart needs, where its refreshes make one.
    pub fn new(row: &Recorded, actual: &Actual) -> Option<Self> {
        row.makes_versions().then(|| {
            let next = row.next_version();
            Self {
                view: actual.relations.get(&row.mart.name).cloned(),
                expired: plan::expired(&row.mart, row, next, next, actual),
                major: actual.server.major(),
                row: row.clone(),
            }
        })
    }

    fn view(&self, mart: &QName) -> Result<&Relation, SqlError> {
        self.view.as_ref().ok_or_else(|| {
            let message = format!("the view {mart} is not there; `datamart apply` makes it again");
            SqlError::new(ErrorKind::Missing, message)
        })
    }

    /// The mart's row.
    pub(super) fn row(&self) -> &Recorded {
        &self.row
    }

    /// Why there is one.
    pub(super) fn reason(&self) -> String {
        another_version(&self.row)
    }
}

/// Builds and publishes another version. `live` is the published one.
pub(super) async fn another(
    conn: &mut PgConnection,
    item: &Item,
    series: &Series,
    live: &Relation,
    options: &Options,
    frame: &Frame,
    checks: &mut Vec<CheckResult>,
) -> Result<Outcome, SqlError> {
    let row = &series.row;
    series.view(&item.mart)?;
    let number = row.next_version();
    let version = version_mart(&row.mart, version_name(&item.mart, number), number);
    let built = build::build_version(conn, &version, live, frame, checks).await?;
    let published: Result<(), SqlError> = async {
        let (now, live) = before_publishing(conn, item, live, options).await?;
        let series = now.series.as_deref().unwrap_or(series);
        let view = series.view(&item.mart)?;
        let publication = Publication { row, version: &version, number, view, live: &live, series, options, frame };
        publication.publish(conn, &built).await?;
        // It is published, whatever comes of those before it: the next refresh tries again.
        for expired in &series.expired {
            let _ = publication.expire(conn, expired).await;
        }
        Ok(())
    }
    .await;
    if published.is_err() {
        // What was built goes; where the connection is gone, the next refresh removes it.
        let _ = build::remove_leftovers(conn, &version.name, build::Needed::Yes, frame).await;
    }
    published?;
    Ok(Outcome {
        inserted: i64::try_from(built.rows).ok(),
        row_count: i64::try_from(built.rows).ok(),
        snapshot: Some(built.snapshot),
        stored: Some(version.name),
        ..Outcome::default()
    })
}

/// All that publishing another version needs.
struct Publication<'a> {
    row: &'a Recorded,
    version: &'a Mart,
    number: u32,
    view: &'a Relation,
    live: &'a Relation,
    series: &'a Series,
    options: &'a Options,
    frame: &'a Frame,
}

impl Publication<'_> {
    async fn publish(&self, conn: &mut PgConnection, built: &build::Built) -> Result<(), SqlError> {
        let mut tries = Tries::default();
        loop {
            sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
            let outcome = self.exchange(conn, built).await;
            match build::close(conn, outcome).await {
                Err(error) if tries.again(&error).await => {}
                done => return done,
            }
        }
    }

    fn as_owner(&self, owner: &str) -> Frame {
        Frame {
            role: self.frame.role.as_ref().map(|_| owner.to_owned()),
            settings: Vec::new(),
            lock_timeout_ms: self.options.publish_lock_timeout_ms,
            ..self.frame.clone()
        }
    }

    async fn exchange(&self, conn: &mut PgConnection, built: &build::Built) -> Result<(), SqlError> {
        let defaults = self.options.defaults_of(self.frame.role.as_ref().unwrap_or(&self.live.owner), &self.view.name);
        let major = self.series.major;
        let [of_version, of_view] = build::publish_version(self.version, self.live, self.view, built, &defaults, major);
        let mut session = SessionState::in_transaction();
        for sql in of_version {
            build::run(conn, &mut session, &self.as_owner(&self.live.owner), &sql).await?;
        }
        for sql in of_view {
            build::run(conn, &mut session, &self.as_owner(&self.view.owner), &sql).await?;
        }
        session.leave(conn).await?;
        self.record(conn, &self.records()).await
    }

    /// A version that is not kept any more goes, where nobody reads it: whoever does holds up neither the new one nor its readers. It
    /// goes with a later one then.
    async fn expire(&self, conn: &mut PgConnection, expired: &Expired) -> Result<(), SqlError> {
        sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
        let outcome = self.drop(conn, expired).await;
        build::close(conn, outcome).await
    }

    async fn drop(&self, conn: &mut PgConnection, expired: &Expired) -> Result<(), SqlError> {
        if let Some(owner) = &expired.owner {
            let mut session = SessionState::in_transaction();
            let sql = format!("DROP {} {}", expired.mart.kind.sql(), expired.mart.name);
            build::run(conn, &mut session, &self.as_owner(owner), &sql).await?;
            session.leave(conn).await?;
        }
        let row = RecordRow::Forget { of: self.row.mart.name.clone(), number: expired.number };
        self.record(conn, &[Record { transaction: 0, mart: expired.mart.name.clone(), row }]).await
    }

    /// The registry's rows wait for locks as long as others do.
    async fn record(&self, conn: &mut PgConnection, records: &[Record]) -> Result<(), SqlError> {
        let settings = format!("SET LOCAL lock_timeout = {}", self.frame.lock_timeout_ms);
        sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *conn).await?;
        let (registry, project) = (&self.options.registry, &self.options.project);
        let records: Vec<&Record> = records.iter().collect();
        apply::record(conn, registry, project, self.row.revision.as_deref(), self.series.major, &records)
            .await
            .map_err(|error| SqlError::new(ErrorKind::Internal, error.to_string()))
    }

    /// The registry's rows: the new version, the view.
    fn records(&self) -> Vec<Record> {
        let name = &self.row.mart.name;
        let Some(before) = self.row.published() else { return Vec::new() };
        let (old, new) = (&before.mart.name, &self.version.name);
        let reads = |read: &QName| {
            let signature = self.live.signature();
            BTreeMap::from([(read.to_string(), Box::new(ReadSignature { name: read.clone(), signature }))])
        };
        let upsert = |mart: &Mart, definition: String, reads, part| RecordRow::Upsert {
            declared: Box::new(mart.clone()),
            file: self.row.file.clone(),
            definition,
            changes: None,
            reads,
            renamed_from: None,
            action: Action::Publish,
            drifted: Vec::new(),
            adopted: None,
            part: Some(part),
        };
        let version = PartRow::Version { of: name.clone(), number: self.number };
        let stable = PartRow::Stable {
            whole: Box::new(self.row.mart.clone()),
            number: self.number,
            held: self.row.held.clone(),
        };
        let of_view = plan::renamed(&self.row.applied.compiled, old, new);
        let rows = [
            (new, upsert(self.version, before.applied.compiled.clone(), before.applied.reads.clone(), version)),
            (name, upsert(&stable_mart(&self.row.mart, new), of_view, reads(new), stable)),
        ];
        rows.into_iter().map(|(mart, row)| Record { transaction: 0, mart: mart.clone(), row }).collect()
    }
}
