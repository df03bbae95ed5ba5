//! When what keeps a mart goes: at once, or with the rows that it keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::super::capture::{Capture, step};
use super::super::keeper_function::{create, work};
use crate::catalog::Actual;
use crate::manifest::Desired;
use crate::plan::Step;
use crate::state::{Changes, Keeper, QName, log_segments, quote_ident, quote_literal};

/// A function that writers call for now.
#[derive(Debug)]
pub(super) struct Called {
    pub function: QName,
    pub mart: QName,
    /// What it follows.
    pub sources: Vec<QName>,
}

/// A function that goes.
#[derive(Debug)]
pub(super) struct Going {
    pub function: QName,
    /// It waits until the first of these marts is published: until then the old rows are kept.
    pub until: BTreeSet<String>,
}

/// What writers do not call any more, or not for a while.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// What calls the functions is made, whatever there was.
    pub create: bool,
    /// Who made what is called, where that is not who plans: it goes on calling.
    pub caller: Option<String>,
    /// The marts that are to be kept.
    pub wanted: Vec<QName>,
    /// Those that are called until they go, in their order.
    pub called: Vec<Called>,
    pub going: Vec<Going>,
}

/// A mart that is built anew, or what it follows: its old rows can be kept as they were until then, where the logs have what that takes.
pub(super) fn until(
    mart: &QName,
    changes: &Changes,
    built: &BTreeSet<QName>,
    capture: &Capture,
) -> Option<BTreeSet<String>> {
    let sources = changes.sources.iter().map(|source| &source.table);
    let until: BTreeSet<String> =
        sources.chain([mart]).filter(|name| built.contains(*name)).map(QName::to_string).collect();
    let noticed = changes
        .sources
        .iter()
        .all(|source| built.contains(&source.table) || capture.goes_on(&source.table, &source.columns));
    (noticed && !until.is_empty()).then_some(until)
}

impl Ends {
    /// Whoever owns what is called reads logs that are made again, too.
    pub fn let_read(&self, actual: &Actual, capture: &mut Capture) {
        for called in &self.called {
            let owner = actual.relations.get(&called.mart).map(|live| &live.owner);
            let Some(owner) = owner.filter(|owner| **owner != actual.server.user) else { continue };
            for source in &called.sources {
                let Some(log) = capture.again(source).cloned() else { continue };
                let segments = log_segments(&log.name()).map(|segment| segment.to_string()).join(", ");
                let grant = format!("GRANT SELECT ON {segments} TO {}", quote_ident(owner));
                capture.beside(&log, &[], &[grant], false);
            }
        }
    }

    /// Adds its statements to those of the plan: before anything else, or with the publication that they wait for. Gives how many
    /// transactions come before.
    pub fn around(&self, steps: &mut Vec<Step>, desired: &Desired) -> u32 {
        let mut groups: BTreeMap<Option<u32>, Vec<&Going>> = BTreeMap::new();
        if self.create {
            groups.entry(None).or_default();
        }
        for going in &self.going {
            let published = steps
                .iter()
                .find(|step| step.publication && step.transaction.is_some() && going.until.contains(&step.mart));
            groups.entry(published.and_then(|step| step.transaction)).or_default().push(going);
        }
        let before = u32::from(groups.contains_key(&None));
        steps.iter_mut().filter_map(|step| step.transaction.as_mut()).for_each(|number| *number += before);
        let keeper = Keeper::new(&desired.project.registry_schema, &desired.project.name);
        let address = keeper.transactions().to_string();
        let mut gone: BTreeSet<&QName> = BTreeSet::new();
        for (with, group) in groups {
            let functions: Vec<&QName> = group.iter().map(|going| &going.function).collect();
            gone.extend(&functions);
            let sql = self.statements(&keeper, desired, &functions, &gone, self.create && with.is_none());
            let number = with.map_or(1, |with| with + before);
            let at = steps.iter().position(|step| with.is_some() && step.transaction == Some(number));
            let at = at.unwrap_or_default();
            let sql = sql.into_iter().map(|sql| step(desired, &address, sql, number));
            steps.splice(at..at, sql.collect::<Vec<_>>());
        }
        before
    }

    /// The statements with which these functions go, after which all those are `gone`.
    fn statements(
        &self,
        keeper: &Keeper,
        desired: &Desired,
        functions: &[&QName],
        gone: &BTreeSet<&QName>,
        whole: bool,
    ) -> Vec<String> {
        let called = self.called.iter().filter(|called| !gone.contains(&called.function));
        let called: Vec<(&QName, Vec<&QName>)> =
            called.map(|called| (&called.mart, called.sources.iter().collect())).collect();
        let whose = (desired.project.registry_schema.as_str(), desired.project.name.as_str());
        let work = work(keeper, whose, &called);
        let mut sql = if whole { create(keeper, &work) } else { vec![lock(keeper)] };
        if let Some(caller) = self.caller.as_ref().filter(|_| whole) {
            let caller = quote_ident(caller);
            sql.push(format!("GRANT EXECUTE ON FUNCTION {}() TO {caller}", keeper.pinned()));
        }
        if !whole {
            sql.extend(work.create());
            let marts: Vec<String> = self.wanted.iter().map(|mart| quote_literal(&mart.to_string())).collect();
            let marts = format!("ARRAY[{}]::pg_catalog.text[]", marts.join(", "));
            sql.push(format!("DELETE FROM {} WHERE mart <> ALL ({marts})", keeper.locks()));
        }
        sql.extend(functions.iter().map(|name| format!("DROP FUNCTION IF EXISTS {name}(pg_catalog.xid8)")));
        sql
    }
}

/// Nobody is in what is replaced.
pub(super) fn lock(keeper: &Keeper) -> String {
    format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", keeper.locks())
}
