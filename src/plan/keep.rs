//! Marts that are kept as writers commit: their functions come once they are there, and go before anything else does.

mod told;
mod wanted;

use std::collections::BTreeSet;

use self::told::{change, drifted};
use self::wanted::{Keeping, wanted};
use super::capture::{Capture, step};
use super::keeper_function::{Function, create, remove, work};
use super::{Change, Drift, Heal, Options, PlanProblem, Step};
use crate::catalog::Actual;
use crate::compile::Compiled;
use crate::manifest::Desired;
use crate::state::{Keeper, QName, quote_ident, quote_literal};

/// What is done about marts that writers keep.
#[derive(Debug, Default)]
pub(super) struct Keep {
    /// Before anything else: what is not kept for a while, or not any more.
    first: Vec<String>,
    gone: Vec<Change>,
    /// After everything else: what is kept from then on.
    last: Vec<Vec<Step>>,
    come: Vec<Change>,
    pub drift: Vec<Drift>,
    pub problems: Vec<PlanProblem>,
    /// What the statements of the beginning and the end are told to be about.
    address: String,
    /// Those of the beginning may wait until the first of these marts is published: until then the old rows are kept.
    until: BTreeSet<String>,
}

/// What is done, beside what is done about logs. `dropped` are the marts that go, `built` those that get another relation.
pub(super) fn keep(
    (desired, compiled): (&Desired, &Compiled),
    actual: &Actual,
    options: &Options,
    (dropped, built): (&BTreeSet<QName>, &BTreeSet<QName>),
    capture: &Capture,
) -> Keep {
    let (registry, project) = (desired.project.registry_schema.as_str(), desired.project.name.as_str());
    let keeper = Keeper::new(registry, project);
    let known = &actual.keepers;
    let mut keep = Keep { address: keeper.transactions().to_string(), ..Keep::default() };
    let marts = wanted(desired, compiled, actual, options, dropped, &mut keep.problems);
    if marts.is_empty() && known.functions.is_empty() {
        return keep;
    }
    let functions: Vec<Function> = marts.iter().map(|mart| mart.function(&keeper, registry, project)).collect();
    let in_order = |of: &dyn Fn(usize) -> bool| {
        let marts = marts.iter().enumerate().filter(|(at, _)| of(*at));
        let marts: Vec<(&QName, Vec<&QName>)> = marts.map(|(_, mart)| (mart.name, mart.sources())).collect();
        work(&keeper, (registry, project), &marts)
    };
    let whole = in_order(&|_| true);
    let heals = options.heal != Heal::Nothing && !options.ignores("commit");
    let changed = |function: &Function| known.functions.get(&function.name.name).is_some_and(|is| !is.is_as_made());
    let altered = !known.functions.is_empty() && (!known.works || changed(&whole));
    let mut stays = Vec::new();
    for (mart, function) in marts.iter().zip(&functions) {
        let is = known.functions.get(&function.name.name);
        let moved = built.contains(mart.name)
            || mart.sources().iter().any(|source| built.contains(*source) || capture.concerns(source));
        let drifted_away = altered || changed(function);
        if drifted_away && !heals && !options.ignores("commit") && mart.selected {
            keep.drift.extend(drifted(mart.mart, function, known.works));
        }
        let same = is.is_some_and(|is| is.made == Some(function.hash()));
        stays.push(same && !moved && !(drifted_away && heals));
    }
    let functions_known = known.functions.keys().filter(|name| name.starts_with(&keeper.prefix()));
    let gone: Vec<&String> = functions_known
        .filter(|name| !functions.iter().zip(&stays).any(|(function, stays)| function.name.name == **name && *stays))
        .collect();
    let missing = stays.contains(&false);
    let order = known.functions.get(&whole.name.name).is_none_or(|is| is.made != Some(whole.hash()));
    let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", keeper.locks());
    let replaced = !gone.is_empty() || missing;
    if known.functions.is_empty() || (altered && heals) || (!known.works && replaced) {
        keep.first.extend(create(&keeper, &in_order(&|at| stays[at])));
    } else if !gone.is_empty() {
        keep.first.push(lock.clone());
        keep.first.extend(in_order(&|at| stays[at]).create());
    }
    if keep.first.first() == Some(&lock) {
        let marts: Vec<String> = marts.iter().map(|mart| quote_literal(&mart.name.to_string())).collect();
        let marts = format!("ARRAY[{}]::pg_catalog.text[]", marts.join(", "));
        keep.first.push(format!("DELETE FROM {} WHERE mart <> ALL ({marts})", keeper.locks()));
    }
    let remade = |(mart, _): &(&Keeping<'_>, &Function)| {
        let (sources, built) = (mart.sources(), |name: &QName| built.contains(name));
        (built(mart.name) || sources.iter().any(|source| built(source)))
            && !sources.iter().any(|source| capture.concerns(source))
    };
    let of = |name: &str| marts.iter().zip(&functions).find(|(_, function)| function.name.name == name);
    if keep.first.first() == Some(&lock) && gone.iter().all(|name| of(name).is_some_and(|it| remade(&it))) {
        keep.until.extend(built.iter().map(ToString::to_string));
    }
    for name in gone {
        let name = QName::new(registry, name);
        keep.first.push(format!("DROP FUNCTION IF EXISTS {name}(pg_catalog.xid8)"));
        let left = !functions.iter().any(|function| function.name == name);
        keep.gone.extend(left.then(|| change(&name.to_string(), "writers keep no mart by it any more", None)));
    }
    if marts.is_empty() {
        let steps = remove(&keeper).into_iter().map(|sql| (keep.address.clone(), sql, None));
        keep.last.push(steps.map(|made| made_step(desired, made)).collect());
        return keep;
    }
    if !missing && (!order || altered || !keep.first.is_empty()) {
        return keep;
    }
    // A function that is made anew stays its owner's.
    let caller = known.caller.as_deref().unwrap_or(&actual.server.user);
    let mut last: Vec<(String, String, Option<String>)> = vec![(keep.address.clone(), lock, None)];
    for ((mart, function), _) in marts.iter().zip(&functions).zip(&stays).filter(|(_, stays)| !**stays) {
        let address = mart.name.to_string();
        let grants = mart.grants(&keeper, &actual.server.user, registry, project);
        last.extend(grants.into_iter().map(|sql| (address.clone(), sql, None)));
        last.extend(function.create().into_iter().map(|sql| (address.clone(), sql, None)));
        if mart.owner != actual.server.user {
            let owner = quote_ident(&mart.owner);
            let schema = quote_ident(registry);
            let signature = function.signature();
            // Who gets a function has to be let into its schema, for as long as that takes.
            last.extend([
                (address.clone(), format!("GRANT CREATE ON SCHEMA {schema} TO {owner}"), None),
                (address.clone(), format!("ALTER FUNCTION {signature} OWNER TO {owner}"), None),
                (address.clone(), format!("REVOKE CREATE ON SCHEMA {schema} FROM {owner}"), None),
            ]);
        }
        if mart.owner != caller {
            let sql = format!("GRANT EXECUTE ON FUNCTION {} TO {}", function.signature(), quote_ident(caller));
            last.push((address.clone(), sql, Some(mart.owner.clone())));
        }
        let reason = match known.functions.get(&function.name.name) {
            Some(_) if changed(function) || altered => "what keeps it as writers commit was changed",
            _ => "writers keep it as they commit",
        };
        keep.come.push(change(&address, reason, Some((mart, function))));
    }
    last.extend(whole.create().into_iter().map(|sql| (keep.address.clone(), sql, None)));
    // What was committed since its rows were computed comes before anybody can commit more.
    for ((mart, function), _) in marts.iter().zip(&functions).zip(&stays).filter(|(_, stays)| !**stays) {
        last.push((mart.name.to_string(), format!("SELECT {}(NULL)", function.name), None));
    }
    keep.last.push(last.into_iter().map(|made| made_step(desired, made)).collect());
    keep
}

fn made_step(desired: &Desired, (address, sql, role): (String, String, Option<String>)) -> Step {
    Step { role, ..step(desired, &address, sql, 0) }
}

impl Keep {
    /// Adds its statements to those of the plan: the first before anything else, or with the publication that they may wait for, the
    /// last after everything. Gives how many transactions come before.
    pub fn around(&mut self, steps: &mut Vec<Step>, desired: &Desired, last: u32) -> u32 {
        let published =
            |step: &&Step| step.publication && step.transaction.is_some() && self.until.contains(&step.mart);
        let with = steps.iter().find(published).and_then(|step| step.transaction);
        let at = steps.iter().position(|step| step.transaction == with).filter(|_| with.is_some());
        let before = u32::from(!self.first.is_empty() && at.is_none());
        steps.iter_mut().filter_map(|step| step.transaction.as_mut()).for_each(|number| *number += before);
        let first = self.first.drain(..).map(|sql| step(desired, &self.address, sql, with.unwrap_or(1)));
        let at = at.unwrap_or_default();
        steps.splice(at..at, first.collect::<Vec<_>>());
        for (at, mut more) in self.last.drain(..).enumerate() {
            let number = last + before + 1 + u32::try_from(at).unwrap_or_default();
            more.iter_mut().for_each(|step| step.transaction = Some(number));
            steps.append(&mut more);
        }
        before
    }

    /// The changes, those of the beginning and those of the end.
    pub fn changes(self) -> (Vec<Change>, Vec<Change>) {
        (self.gone, self.come)
    }
}
