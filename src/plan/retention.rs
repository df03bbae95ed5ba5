//! Rows of a table mart that are too old to be kept.

use std::collections::BTreeSet;

use super::builder::Builder;
use super::decision::Decision;
use super::target::Target;
use super::{Hazard, HazardKind, PlanProblem};
use crate::catalog::Recorded;
use crate::sql::{oldest_kept, retained, time_cast};
use crate::state::{
    Incremental, IncrementalMethod, Mart, QName, Strategy, format_duration, quote_ident, quote_literal,
};

impl Target<'_> {
    /// What a table mart is filled with: of a query's rows those that are kept.
    pub(crate) fn retained(&self, query: &str) -> String {
        retained(self.mart, query, |name| Some(self.columns.iter().find(|c| c.name == name)?.type_name.clone()))
    }

    /// That rows leave at once, where a retention is new or keeps less than before.
    pub(crate) fn rows_that_go(&self) -> Option<String> {
        let retention = self.mart.retention.as_ref().filter(|_| self.keeps_less())?;
        self.live?;
        Some(format!("rows whose {} is older than {} are deleted", retention.column, format_duration(retention.keep)))
    }

    /// That rows among those which leave cannot be computed again.
    pub(crate) fn history_that_goes(&self) -> Option<Hazard> {
        let retention = self.mart.retention.as_ref().filter(|_| self.keeps_less())?;
        let live = self.live.filter(|live| !live.empty)?;
        let incremental = self.mart.refresh.incremental.as_ref()?;
        incremental.frozen_before?;
        let (column, kept) = (&retention.column, format_duration(retention.keep));
        let message = format!("rows of {} whose {column} is older than {kept} are deleted, frozen ones too", live.name);
        Some(Hazard::new(HazardKind::DeletesData, message))
    }

    /// Whether fewer rows are kept than before.
    fn keeps_less(&self) -> bool {
        let Some(retention) = &self.mart.retention else { return false };
        let before = self.recorded.and_then(|recorded| recorded.mart.retention.as_ref());
        before.is_none_or(|before| before.column != retention.column || before.keep > retention.keep)
    }

    /// That rows come back that its refreshes by changes have left alone until now: it keeps more of them, or less is history.
    pub(crate) fn rows_that_come_back(&self) -> Option<String> {
        let before = self.followed()?;
        let words = "older rows than before are kept and computed: the next refresh computes all";
        (reaches_back(&before.mart, self.mart) || self.partitions_come_back()).then(|| words.to_owned())
    }

    /// What was applied, where its refreshes go by changes and did before.
    fn followed(&self) -> Option<&Recorded> {
        let follows = |mart: &Mart| mart.refresh.incremental.as_ref().is_some_and(Incremental::follows_changes);
        self.recorded.filter(|recorded| follows(&recorded.mart) && follows(self.mart))
    }

    /// Rows whose age cannot be told.
    pub(crate) fn ageless(&self) -> Option<PlanProblem> {
        let retention = self.mart.retention.as_ref()?;
        let column = self.columns.iter().find(|column| column.name == retention.column)?;
        oldest_kept(retention, &column.type_name).is_none().then(|| PlanProblem {
            mart: self.mart.name.clone(),
            file: self.desired.file.clone(),
            key: "retention.column".to_owned(),
            message: format!("{:?} is of type {}, which does not say how old a row is", column.name, column.type_name),
            help: "name a column of type date, timestamp or timestamp with time zone".to_owned(),
        })
    }
}

impl Target<'_> {
    /// The newest row that says nothing of its age.
    pub(crate) fn undated(&self) -> Option<PlanProblem> {
        let name = self.mart.freshness.as_ref()?.column.as_ref()?;
        let column = self.columns.iter().find(|column| column.name == *name)?;
        time_cast(&column.type_name).is_none().then(|| PlanProblem {
            mart: self.mart.name.clone(),
            file: self.desired.file.clone(),
            key: "freshness.column".to_owned(),
            message: format!("{name:?} is of type {}, which does not say how new a row is", column.type_name),
            help: "name a column of type date, timestamp or timestamp with time zone".to_owned(),
        })
    }

    /// A window needs a time to begin at, and a smart mart one to tell how new its data is.
    pub(crate) fn timeless(&self) -> Option<PlanProblem> {
        let policy = &self.mart.refresh;
        let incremental = policy.incremental.as_ref()?;
        let smart = policy.strategy == Strategy::Smart;
        (smart || incremental.method == IncrementalMethod::Window).then_some(())?;
        let name = incremental.time_column.as_ref()?;
        let column = self.columns.iter().find(|column| column.name == *name)?;
        time_cast(&column.type_name).is_none().then(|| PlanProblem {
            mart: self.mart.name.clone(),
            file: self.desired.file.clone(),
            key: "refresh.incremental.time_column".to_owned(),
            message: format!("{name:?} is of type {}, which does not say how new a row is", column.type_name),
            help: "name a column of type date, timestamp or timestamp with time zone".to_owned(),
        })
    }
}

/// Whether `now` keeps or computes rows that were too old for `before`.
fn reaches_back(before: &Mart, now: &Mart) -> bool {
    let kept = |mart: &Mart| mart.retention.as_ref().map(|kept| (kept.column.clone(), kept.keep));
    let unfrozen = |mart: &Mart| {
        let incremental = mart.refresh.incremental.as_ref()?;
        Some((incremental.time_column.clone()?, incremental.frozen_before?))
    };
    further(kept(before), kept(now)) || further(unfrozen(before), unfrozen(now))
}

/// Whether a bound goes further back than one that stood before.
fn further(before: Option<(String, u64)>, now: Option<(String, u64)>) -> bool {
    before.is_some_and(|(was, before)| now.is_none_or(|(is, now)| is != was || now > before))
}

impl Builder<'_> {
    /// Where a retention is new or keeps less than before, the rows that it does not keep go at once.
    pub(super) fn forget(&mut self, decision: &Decision<'_>) {
        let target = &decision.target;
        self.tell_refreshes(target);
        let Some(retention) = target.mart.retention.as_ref().filter(|_| target.keeps_less()) else { return };
        let column = target.columns.iter().find(|column| column.name == retention.column);
        if let Some(oldest) = column.and_then(|column| oldest_kept(retention, &column.type_name)) {
            let (name, column) = (&target.mart.name, quote_ident(&retention.column));
            self.push_with_settings(decision, format!("DELETE FROM {name} WHERE {column} < {oldest}"));
        }
    }

    /// What refreshes by changes go by knows how many rows there are, and nothing of rows that come back. Who is computed whole for good
    /// goes on so.
    fn tell_refreshes(&mut self, target: &Target<'_>) {
        let Some(recorded) = target.followed() else { return };
        let (what, with) = match target.rows_that_come_back() {
            Some(_) => ("DELETE FROM", ""),
            None if target.keeps_less() => ("UPDATE", " SET rows = NULL"),
            None => return,
        };
        let registry = quote_ident(&self.project.registry_schema);
        // A mart that is renamed may have its new name there already.
        let names = BTreeSet::from([&recorded.mart.name, &target.mart.name]);
        let named = |name: &QName| format!("({}, {})", quote_literal(&name.schema), quote_literal(&name.name));
        let names: Vec<String> = names.into_iter().map(named).collect();
        let (project, names) = (quote_literal(&self.project.name), names.join(", "));
        let whose = format!("project = {project} AND (schema, name) IN ({names}) AND demoted IS NULL");
        self.push(&target.mart.name, format!("{what} {registry}.positions{with} WHERE {whose}"), None);
    }
}
