//! In which the partitions of a live mart are not those it should have.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::NaiveDateTime;

use super::aspect::{Cause, Difference, Fix, Spared};
use super::target::Target;
use crate::catalog::{Actual, Attached, Missed, Relation, expired, kept_from, matched, time_of};
use crate::state::{OnExpire, Partition, Piece, QName, detached_name, range_of};

impl Target<'_> {
    /// Whether fewer partitions are kept than before.
    fn retains_less(&self) -> bool {
        let retain = |partition: &Partition| partition.ranges().and_then(|ranges| ranges.retain);
        let before = self.recorded.and_then(|recorded| recorded.mart.partition.as_ref()).and_then(retain);
        let now = self.mart.partition.as_ref().and_then(retain);
        now.is_some() && now != before
    }

    /// What another beginning, or keeping more, does not do to the partitions that are there, or are not.
    pub(super) fn partitions_that_stay(&self) -> Vec<String> {
        let before = self.recorded.and_then(|recorded| recorded.mart.partition.as_ref());
        let Some((before, partition)) = before.zip(self.mart.partition.as_ref()) else { return Vec::new() };
        let (Some(was), Some(is)) = (before.ranges(), partition.ranges()) else { return Vec::new() };
        let (true, Some(live)) = (before.divides_as(partition), self.live) else { return Vec::new() };
        let mut told = Vec::new();
        if let Some(start) = is.start.filter(|_| was.start != is.start)
            && let Some(Ok((kind, zone))) = time_of(self.mart, &live.columns)
        {
            let end = |attached: &Attached| kind.read(&range_of(&attached.bound)?.1, zone);
            let leaves = expired(self.mart, live, self.now);
            let stays = live.partitions.iter().filter(|attached| !leaves.contains(attached));
            let count = stays.filter(|attached| end(attached).is_some_and(|end| end <= start)).count();
            let start = kind.write(start, zone);
            match count {
                0 => {}
                1 => told.push(format!("1 partition from before {start} stays")),
                _ => told.push(format!("{count} partitions from before {start} stay")),
            }
        }
        if self.partitions_come_back() {
            told.push("partitions that left come back with the rows that a full refresh finds".to_owned());
        }
        told
    }

    /// Whether partitions that left are kept now. With a beginning those from there on come at once.
    pub(crate) fn partitions_come_back(&self) -> bool {
        let before = self.recorded.and_then(|recorded| recorded.mart.partition.as_ref()?.ranges());
        let now = self.mart.partition.as_ref().and_then(Partition::ranges);
        let (Some(was), Some(is)) = (before, now) else { return false };
        let keeps_more = || kept_from(self.mart, &self.columns, self.now) < self.kept_before();
        was.retain.is_some() && is.start.is_none() && keeps_more()
    }

    /// From when on partitions were kept until now.
    fn kept_before(&self) -> Option<NaiveDateTime> {
        kept_from(&self.recorded?.mart, &self.columns, self.now)
    }

    /// The partition's table, taken out of the mart.
    fn detached(&self, attached: &Attached, actual: &Actual, instead: Vec<(QName, bool)>) -> Fix {
        let to = detached_name(&self.mart.name, &attached.name, |name| actual.taken.contains_key(name));
        Fix::DetachPartition { name: attached.name.clone(), to, instead }
    }
}

/// A default of more rows is not read while readers wait.
const MANY: i64 = 10_000;

/// In which its partitions are not those it should have.
pub(super) fn differences(found: &mut Vec<Difference>, target: &Target<'_>, live: &Relation, actual: &Actual) {
    let Some(partition) = &target.mart.partition else { return };
    let before = target.recorded.and_then(|recorded| recorded.mart.partition.as_ref());
    let words = |partition: &Partition| serde_json::to_string(partition).unwrap_or_default();
    if let Some(before) = before.filter(|before| !before.divides_as(partition)) {
        found.push(Difference {
            aspect: "partition".to_owned(),
            cause: Cause::Declared,
            expected: Some(words(partition)),
            actual: Some(words(before)),
            fix: Fix::Rebuild,
        });
        return;
    }
    let mut push = |name: &QName, cause, expected: Option<&str>, actual: Option<&str>, fix| {
        let (expected, actual) = (expected.map(str::to_owned), actual.map(str::to_owned));
        found.push(Difference { aspect: format!("partitions:{}", name.name), cause, expected, actual, fix });
    };
    let old: BTreeSet<&QName> =
        expired(target.mart, live, target.now).into_iter().map(|attached| &attached.name).collect();
    let matched = matched(live, &target.pieces);
    let applied = target.recorded.and_then(|recorded| recorded.applied.divided.as_ref());
    let absent: Vec<&Piece> = matched.missing.iter().chain(&matched.blocked).copied().collect();
    let missed = Missed { mart: target.mart, live, applied, now: target.now };
    let filled: HashSet<&QName> = missed.refilled(&absent).into_iter().map(|piece| &piece.name).collect();
    // What stands in the way of several is out of the way of all once the last of them is.
    let others: Vec<&Attached> = matched.others.iter().copied().filter(|other| !old.contains(&other.name)).collect();
    let mut instead: BTreeMap<&QName, Vec<(QName, bool)>> = BTreeMap::new();
    for piece in &matched.blocked {
        if let Some(last) = others.iter().rfind(|other| other.overlaps(piece)) {
            let comes = (piece.name.clone(), filled.contains(&piece.name));
            instead.entry(&last.name).or_default().push(comes);
        }
    }
    // A default goes last: it has the rows of partitions that come.
    let (default, others): (Vec<&Attached>, Vec<_>) = others.into_iter().partition(|other| other.is_default());
    for attached in others {
        let instead = instead.remove(&attached.name).unwrap_or_default();
        let fix = target.detached(attached, actual, instead);
        push(&attached.name, Cause::Drift, None, Some(&attached.bound), fix);
    }
    let own = |name: &QName| target.recorded.is_some_and(|recorded| recorded.applied.partitions.contains(name));
    let renamed = |(piece, attached): &&(&Piece, &Attached)| piece.name != attached.name && !own(&attached.name);
    for (piece, attached) in matched.there.iter().filter(renamed) {
        let cause = if target.renamed_from().is_some() { Cause::Declared } else { Cause::Drift };
        let fix = Fix::RenamePartition { from: attached.name.clone(), to: piece.name.clone() };
        push(&piece.name, cause, Some(&piece.name.to_string()), Some(&attached.name.to_string()), fix);
    }
    let beside: Vec<&QName> = match live.partitions.iter().find(|attached| attached.is_default()) {
        // One that goes has given its rows by then.
        Some(large) if large.rows.is_none_or(|rows| rows > MANY) && default.is_empty() => {
            let come = matched.missing.iter().filter(|piece| !filled.contains(&piece.name) && piece.range.is_some());
            come.map(|piece| &piece.name).collect()
        }
        _ => Vec::new(),
    };
    for piece in matched.missing {
        let (name, filled) = (piece.name.clone(), filled.contains(&piece.name));
        let spared = beside.contains(&&name).then(|| Spared {
            all: beside.iter().filter(|_| beside.first() == Some(&&name)).map(|name| (*name).clone()).collect(),
            is_last: beside.last() == Some(&&name),
        });
        let fix = Fix::CreatePartition { name, filled, spared };
        push(&piece.name, Cause::Missing, Some(&piece.bound), None, fix);
    }
    for attached in default {
        let fix = target.detached(attached, actual, Vec::new());
        push(&attached.name, Cause::Drift, None, Some(&attached.bound), fix);
    }
    if target.retains_less() {
        let detach = partition.ranges().is_some_and(|ranges| ranges.on_expire == OnExpire::Detach);
        for attached in live.partitions.iter().filter(|attached| old.contains(&attached.name)) {
            let fix = match detach {
                true => target.detached(attached, actual, Vec::new()),
                false => Fix::DropPartition(attached.name.clone()),
            };
            push(&attached.name, Cause::Declared, None, Some(&attached.bound), fix);
        }
    }
    if target.mart.grants.is_some() {
        found.extend(granted(live));
    }
}

/// Rights on partitions alone, where the mart's grants are declared: whoever may read it reads them through it.
fn granted(live: &Relation) -> Vec<Difference> {
    let mut roles: BTreeMap<&str, Vec<&Attached>> = BTreeMap::new();
    for attached in &live.partitions {
        // One with an option to grant it on has two entries.
        let mut of_one: Vec<&str> = attached.grants.iter().map(|grant| grant.role.as_str()).collect();
        of_one.dedup();
        of_one.into_iter().for_each(|role| roles.entry(role).or_default().push(attached));
    }
    let difference = |(role, of): (&str, Vec<&Attached>)| {
        let partitions: Vec<QName> = of.iter().map(|attached| attached.name.clone()).collect();
        let of_role = of[0].grants.iter().filter(|grant| grant.role == role);
        let privileges: Vec<&str> = of_role.flat_map(|grant| &grant.privileges).map(String::as_str).collect();
        let names = names(of.iter().map(|attached| attached.name.name.as_str()));
        Difference {
            aspect: format!("partition_grants:{role}"),
            cause: Cause::Drift,
            expected: None,
            actual: Some(format!("{} on {names}", privileges.join(", "))),
            fix: Fix::RevokeOnPartitions { role: role.to_owned(), partitions },
        }
    };
    roles.into_iter().map(difference).collect()
}

/// How many partitions are named.
const NAMED: usize = 5;

/// A few names, and how many more there are.
pub(super) fn names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut words: Vec<&str> = names.take(NAMED).collect();
    let more = format!("{more} more");
    if more != "0 more" {
        words.push(&more);
    }
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
