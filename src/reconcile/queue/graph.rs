//! Which mart reads which, by place in the queue. Marts without rows are looked through.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::job::Job;
use crate::state::QName;

/// Marts with rows and what they read.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// What each reads next, through views.
    pub up: Vec<Vec<usize>>,
    /// What reads each next, through views.
    pub down: Vec<Vec<usize>>,
    /// Upstream first.
    pub order: Vec<usize>,
}

impl Graph {
    /// The graph of these jobs. A circle cannot be applied; where there is one all the same, nobody in it waits for ever.
    pub fn of<'a>(jobs: impl Iterator<Item = &'a Job>, places: &BTreeMap<QName, usize>) -> Self {
        let jobs: Vec<&Job> = jobs.collect();
        let mut graph =
            Self { up: vec![Vec::new(); jobs.len()], down: vec![Vec::new(); jobs.len()], order: Vec::new() };
        for (place, job) in jobs.iter().enumerate().filter(|(_, job)| job.has_rows) {
            let mut found = BTreeSet::new();
            let mut seen = BTreeSet::new();
            let mut ahead: Vec<&QName> = job.reads.iter().collect();
            while let Some(name) = ahead.pop() {
                let Some(&read) = places.get(name).filter(|read| **read != place && seen.insert(**read)) else {
                    continue;
                };
                if jobs[read].has_rows {
                    found.insert(read);
                } else {
                    ahead.extend(&jobs[read].reads);
                }
            }
            for read in &found {
                graph.down[*read].push(place);
            }
            graph.up[place] = found.into_iter().collect();
        }
        graph.order = graph.sorted();
        graph.cut();
        graph
    }

    fn sorted(&self) -> Vec<usize> {
        let mut open: Vec<usize> = self.up.iter().map(Vec::len).collect();
        let mut order: Vec<usize> = (0..open.len()).filter(|place| open[*place] == 0).collect();
        let mut at = 0;
        while let Some(&place) = order.get(at) {
            at += 1;
            for reader in &self.down[place] {
                open[*reader] -= 1;
                if open[*reader] == 0 {
                    order.push(*reader);
                }
            }
        }
        order.extend((0..open.len()).filter(|place| open[*place] > 0));
        order
    }

    /// Leaves out what would close a circle.
    fn cut(&mut self) {
        let mut position = vec![0; self.order.len()];
        for (at, place) in self.order.iter().enumerate() {
            position[*place] = at;
        }
        for place in 0..position.len() {
            self.up[place].retain(|up| position[*up] < position[place]);
            self.down[place].retain(|down| position[*down] > position[place]);
        }
    }

    /// For each, the earliest instant of whatever is at work or waits among all it reads, directly or not.
    pub fn earliest_upstream(&self, active: impl Fn(usize) -> Option<DateTime<Utc>>) -> Vec<Option<DateTime<Utc>>> {
        let mut earliest = vec![None; self.up.len()];
        for &place in &self.order {
            let upstream = self.up[place].iter().flat_map(|up| [active(*up), earliest[*up]]);
            earliest[place] = upstream.flatten().min();
        }
        earliest
    }

    /// For each, how long it takes until it is fresh when everything it reads is refreshed first.
    pub fn durations(&self, own: impl Fn(usize) -> TimeDelta) -> Vec<TimeDelta> {
        let mut whole = vec![TimeDelta::zero(); self.up.len()];
        for &place in &self.order {
            let before = self.up[place].iter().map(|up| whole[*up]).max().unwrap_or_default();
            whole[place] = before.checked_add(&own(place)).unwrap_or(TimeDelta::MAX);
        }
        whole
    }

    /// Whether `place` reads one of `others`, directly or not.
    pub fn reads_any(&self, place: usize, others: &BTreeSet<usize>) -> bool {
        let mut seen = BTreeSet::new();
        let mut ahead = self.up[place].clone();
        while let Some(up) = ahead.pop() {
            if others.contains(&up) {
                return true;
            }
            if seen.insert(up) {
                ahead.extend(&self.up[up]);
            }
        }
        false
    }
}
