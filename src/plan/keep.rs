//! Marts that are kept as writers commit: their functions come once they are there, and go before anything else does.

mod going;
mod gone;
mod told;
mod wanted;

use std::collections::BTreeSet;

use self::going::{Called, Ends, Going, lock, until};
pub(super) use self::gone::gone;
use self::told::{change, drifted};
use self::wanted::wanted;
use super::capture::{Capture, step};
use super::keeper_function::{Function, remove, work};
use super::{Change, Drift, Heal, Options, PlanProblem, Step};
use crate::catalog::Actual;
use crate::compile::Compiled;
use crate::manifest::Desired;
use crate::state::{Keeper, QName, quote_ident};

/// What is done about marts that writers keep.
#[derive(Debug, Default)]
pub(super) struct Keep {
    /// What is not kept for a while, or not any more.
    ends: Ends,
    gone: Vec<Change>,
    /// After everything else: what is kept from then on.
    last: Vec<Vec<Step>>,
    come: Vec<Change>,
    pub drift: Vec<Drift>,
    pub problems: Vec<PlanProblem>,
    /// What the statements of the beginning and the end are told to be about.
    address: String,
}

/// What is done, beside what is done about logs. `dropped` are the marts that go, `built` those that get another relation.
pub(super) fn keep(
    (desired, compiled): (&Desired, &Compiled),
    actual: &Actual,
    options: &Options,
    (dropped, built): (&BTreeSet<QName>, &BTreeSet<QName>),
    capture: &mut Capture,
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
    let sources = marts.iter().map(|mart| (mart.name, mart.sources()));
    let whole = work(&keeper, (registry, project), &sources.collect::<Vec<_>>());
    let heals = options.heal != Heal::Nothing && !options.ignores("commit");
    let changed = |function: &Function| known.functions.get(&function.name.name).is_some_and(|is| !is.is_as_made());
    let altered = !known.functions.is_empty() && (!known.works || changed(&whole));
    let mut stays = Vec::new();
    for (mart, function) in marts.iter().zip(&functions) {
        let is = known.functions.get(&function.name.name);
        let moved = built.contains(mart.name)
            || mart
                .changes
                .sources
                .iter()
                .any(|source| built.contains(&source.table) || !capture.goes_on(&source.table, &source.columns));
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
    let create = known.functions.is_empty() || (altered && heals) || (!known.works && (!gone.is_empty() || missing));
    let begins = create || !gone.is_empty();
    let mut waits = BTreeSet::new();
    for ((mart, function), stays) in marts.iter().zip(&functions).zip(&stays) {
        let applied = actual.recorded.get(mart.name).and_then(|row| row.applied.changes.as_ref());
        let as_made = !create && known.functions.contains_key(&function.name.name) && !changed(function);
        let goes = applied.filter(|_| !stays && as_made);
        let waiting = goes.and_then(|changes| Some((changes, until(mart.name, changes, built, capture)?)));
        let follows = if *stays { Some(mart.changes) } else { waiting.as_ref().map(|(changes, _)| *changes) };
        keep.ends.called.extend(follows.map(|changes| Called {
            function: function.name.clone(),
            mart: mart.name.clone(),
            sources: changes.sources.iter().map(|source| source.table.clone()).collect(),
        }));
        waits.extend(waiting.is_some().then_some(&function.name.name));
        let until = waiting.map(|(_, until)| until);
        keep.ends.going.extend(until.map(|until| Going { function: function.name.clone(), until }));
    }
    let at_once = gone.iter().filter(|name| !waits.contains(*name)).map(|name| QName::new(registry, name.as_str()));
    keep.ends.going.extend(at_once.map(|function| Going { function, until: BTreeSet::new() }));
    keep.ends.going.sort_by(|a, b| a.function.cmp(&b.function));
    keep.ends.create = create;
    keep.ends.caller = known.caller.clone().filter(|caller| *caller != actual.server.user);
    keep.ends.wanted = marts.iter().map(|mart| mart.name.clone()).collect();
    keep.ends.let_read(actual, capture);
    for name in gone {
        let name = QName::new(registry, name);
        let left = !functions.iter().any(|function| function.name == name);
        keep.gone.extend(left.then(|| change(&name.to_string(), "writers keep no mart by it any more", None)));
    }
    if marts.is_empty() {
        let steps = remove(&keeper).into_iter().map(|sql| (keep.address.clone(), sql, None));
        keep.last.push(steps.map(|made| made_step(desired, made)).collect());
        return keep;
    }
    if !missing && (!order || altered || begins) {
        return keep;
    }
    // A function that is made anew stays its owner's.
    let caller = known.caller.as_deref().unwrap_or(&actual.server.user);
    let mut last: Vec<(String, String, Option<String>)> = vec![(keep.address.clone(), lock(&keeper), None)];
    for ((mart, function), _) in marts.iter().zip(&functions).zip(&stays).filter(|(_, stays)| !**stays) {
        let address = mart.name.to_string();
        let grants = mart.grants(&keeper, (&actual.server.user, caller), registry, project);
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
    /// Adds its statements to those of the plan: what ends where it may, and what begins after everything. Gives how many transactions
    /// come before.
    pub fn around(&mut self, steps: &mut Vec<Step>, desired: &Desired, last: u32) -> u32 {
        let before = self.ends.around(steps, desired);
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
