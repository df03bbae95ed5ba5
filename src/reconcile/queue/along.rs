//! What goes along with a run: marts that follow from it, and can be refreshed in its transaction.

use chrono::{DateTime, Utc};

use super::Queue;
use super::entry::{Running, Want};
use super::job::Cause;
use crate::state::QName;

impl Queue {
    /// Begins what follows from the run of `mart` that has begun, as far as it `can` go along with it: marts that nothing else is due
    /// for, and all of whose sources rest or go along. Upstream first.
    pub fn along(&mut self, mart: &QName, can: impl Fn(&QName) -> bool, now: DateTime<Utc>) -> Vec<QName> {
        let Some(&place) = self.places.get(mart) else { return Vec::new() };
        let Some(wave) = self.entries[place].running.as_ref().and_then(|running| running.waves().min()) else {
            return Vec::new();
        };
        let mut along = vec![place];
        for reader in self.graph.order.clone() {
            let entry = &self.entries[reader];
            let rests = entry.running.is_none() && entry.want.is_none() && entry.wishes.is_empty();
            let up = &self.graph.up[reader];
            let reads = up.iter().any(|up| along.contains(up));
            let settled = |up: &usize| along.contains(up) || self.entries[*up].active().is_none();
            let goes = entry.job.policy.after && entry.by_itself() && rests && entry.gate.is_none();
            let aside = self.aside.contains(&entry.job.mart);
            if reads && goes && !aside && !along.contains(&reader) && up.iter().all(settled) && can(&entry.job.mart) {
                along.push(reader);
            }
        }
        let others = along.split_off(1);
        for other in &others {
            let want = Want { wave, due_at: now, cause: Cause::After, whole: false, part: true };
            let running = Running { want: Some(want), wish: None, asof: now, with: Some(mart.clone()), before: None };
            self.entries[*other].running = Some(running);
            self.set_timer(*other);
        }
        others.into_iter().map(|other| self.entries[other].job.mart.clone()).collect()
    }

    /// A mart did not go along after all: what it reads was not refreshed, or did not change, or it has to be refreshed by itself,
    /// which it is then, where it is `due`.
    pub fn apart(&mut self, mart: &QName, due: bool, now: DateTime<Utc>) {
        self.clock(now);
        let Some(&place) = self.places.get(mart) else { return };
        let entry = &mut self.entries[place];
        let Some(want) = entry.running.take().and_then(|running| running.want) else { return };
        if due && entry.by_itself() {
            entry.want(want);
        }
        self.set_timer(place);
    }
}
