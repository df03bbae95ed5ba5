//! What may have to follow the marts of a plan: asked before it is made, as it has to be compiled.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::aspect::Mode;
use super::make::{decided, dropped, with_parts};
use super::{Options, version};
use crate::catalog::Actual;
use crate::compile::{Asked, Compiled, recorded_for};
use crate::manifest::Desired;
use crate::state::QName;

/// What is to be compiled to know what follows.
#[derive(Debug, Clone)]
pub struct Following<'a> {
    desired: Cow<'a, Desired>,
    actual: Cow<'a, Actual>,
    names: BTreeSet<QName>,
}

impl Following<'_> {
    /// As `compile::follow` takes it.
    pub fn asked(&self) -> Asked<'_> {
        Asked { desired: &self.desired, actual: &self.actual, names: &self.names }
    }
}

/// Relations below the marts that change: views and materialized views that are no marts, and the marts among, above and below them, as they
/// are to be called. Nothing where no other's view is among them.
pub fn following<'a>(
    desired: &'a Desired,
    compiled: &'a Compiled,
    actual: &'a Actual,
    options: &Options,
) -> Following<'a> {
    if actual.followers.is_empty() && actual.frozen.is_empty() {
        return Following { desired: Cow::Borrowed(desired), actual: Cow::Borrowed(actual), names: BTreeSet::new() };
    }
    let options = &with_parts(options, desired, actual);
    let versioned = version::versioned(desired, compiled, actual, options);
    let names = names(&versioned, options);
    Following { desired: versioned.desired, actual: versioned.actual, names }
}

fn names(versioned: &version::Versioned<'_>, options: &Options) -> BTreeSet<QName> {
    let cleared = (!versioned.actual.left.is_empty()).then(|| versioned.actual.without_left());
    let actual = cleared.as_ref().unwrap_or(&versioned.actual);
    let (desired, compiled) = (&*versioned.desired, &*versioned.compiled);
    let options = &with_parts(options, desired, actual);
    let dropped = dropped(desired, actual, options).iter().map(|recorded| recorded.mart.name.clone()).collect();
    let (decisions, _) = decided(desired, compiled, actual, options, &dropped);
    let changed = decisions.marts.iter().filter(|d| matches!(d.mode, Mode::Rebuild | Mode::InPlace));
    let mut open: Vec<&QName> = changed.filter_map(|decision| Some(&decision.target.live?.name)).collect();
    let mut seen: BTreeSet<&QName> = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(relation) = actual.relations.get(name).filter(|_| seen.insert(name)) else { continue };
        open.extend(relation.dependents.iter().filter_map(|dependent| dependent.relation.as_ref()));
    }
    let followers = seen.iter().filter(|name| actual.followers.contains_key(**name));
    let mut names: BTreeSet<QName> = followers.map(|name| (*name).clone()).collect();
    if names.is_empty() {
        return names;
    }
    for mart in desired.marts.iter().map(|desired| &desired.mart) {
        let below = recorded_for(mart, actual).is_some_and(|row| seen.contains(&row.mart.name));
        // What is taken over stays as it is.
        if (below || compiled.marts.contains_key(&mart.name)) && !options.adopt.contains_key(&mart.name) {
            names.insert(mart.name.clone());
        }
    }
    names
}
