//! Where marts stand that an apply fills: the first refresh after it goes by changes, too.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::ApplyError;
use crate::build::position::{self, Look, Standing, Watched};
use crate::plan::{Action, PartRow, Plan, Record, RecordRow, Step};
use crate::state::QName;

/// What was looked at before marts were filled.
#[derive(Default)]
pub(super) struct Positions {
    begun: Vec<QName>,
    looked: Vec<(QName, Look)>,
}

impl Positions {
    /// Looks where the marts stand whose first statements come now. A look that comes too early is safe, one too late is not.
    pub async fn before(
        &mut self,
        conn: &mut PgConnection,
        (registry, project): (&str, &str),
        (steps, records): (&[&Step], &[Record]),
    ) -> Result<(), ApplyError> {
        for record in records {
            let address = record.mart.to_string();
            if self.begun.contains(&record.mart) || !steps.iter().any(|step| step.mart == address) {
                continue;
            }
            self.begun.push(record.mart.clone());
            let Some(watched) = filled(registry, project, record) else { continue };
            let look = position::before_all(conn, &watched).await.map_err(ApplyError::Registry)?;
            self.looked.extend(look.map(|look| (record.mart.clone(), look)));
        }
        Ok(())
    }

    /// Notes it, in the transaction that records the marts.
    pub async fn note(
        &self,
        conn: &mut PgConnection,
        (registry, project): (&str, &str),
        records: &[&Record],
        plan: &Plan,
    ) -> Result<(), ApplyError> {
        let made = plan.records.iter().filter(|record| matches!(record.row, RecordRow::Upsert { .. }));
        let made: BTreeSet<&QName> = made.map(|record| &record.mart).collect();
        for record in records {
            let look = self.looked.iter().find(|(mart, _)| *mart == record.mart);
            let (Some((_, look)), Some(watched)) = (look, filled(registry, project, record)) else { continue };
            let look = look.clone().with_views(conn, &watched, &made).await.map_err(ApplyError::Registry)?;
            position::published(conn, &watched, &look, &Standing::default()).await.map_err(ApplyError::Registry)?;
        }
        Ok(())
    }
}

/// What tells where a mart stands that is filled; `None` where it keeps its rows, or follows no changes.
fn filled<'a>(registry: &'a str, project: &'a str, record: &'a Record) -> Option<Watched<'a>> {
    let RecordRow::Upsert { declared, definition, changes: Some(changes), action, adopted: None, part, .. } =
        &record.row
    else {
        return None;
    };
    let stable = matches!(part, Some(PartRow::Stable { .. }));
    let filled = matches!(action, Action::Create | Action::Replace) && !stable;
    filled.then(|| Watched::new(registry, project, declared, definition, changes))
}
