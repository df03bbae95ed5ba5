//! How far the partitions of a mart reach. One that somebody made far from the others is none of them: those in between would
//! be thousands that nobody needs.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::actual::Relation;
use super::extent::Divided;
use super::times::{begins, oldest, ours, time_of};
use crate::state::{Mart, Partition, Piece, Ranges, TimeType, TooMany};

/// From where to where something reaches.
pub(super) type Extent = (NaiveDateTime, NaiveDateTime);

/// A mart that is divided by time, as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach<'a> {
    pub mart: &'a Mart,
    pub partition: &'a Partition,
    pub ranges: &'a Ranges,
    pub time: (TimeType, Tz),
    pub live: &'a Relation,
}

impl<'a> Reach<'a> {
    /// `None` where it is divided otherwise.
    pub fn of(mart: &'a Mart, live: &'a Relation) -> Option<Self> {
        let partition = mart.partition.as_ref()?;
        let (ranges, time) = (partition.ranges()?, time_of(mart, &live.columns)?.ok()?);
        Some(Self { mart, partition, ranges, time, live })
    }

    /// What was recorded of it, as times.
    fn extent(&self, divided: &Divided) -> Option<Extent> {
        let read = |text: &str| self.time.0.read(text, self.time.1);
        Some((read(&divided.first)?, read(&divided.last)?))
    }

    /// When those begin that belong to it: of `applied` it is known how far they reached, and `until` when they are kept ready.
    pub fn anchors(&self, applied: Option<&Divided>, until: NaiveDateTime) -> Vec<NaiveDateTime> {
        let mut begins = begins(self.partition, self.live, self.time, self.mart);
        if let Some((first, last)) = applied.and_then(|applied| self.extent(applied)) {
            begins.retain(|at| (first..=last.max(until)).contains(at));
        }
        begins
    }

    /// With those that follow on either side without a hole.
    pub fn followed(&self, (first, last): Extent) -> Extent {
        let bounds: HashSet<&str> = self.live.partitions.iter().map(|attached| attached.bound.as_str()).collect();
        // An hour that a clock leaves out is no hole.
        let is_there = |at: NaiveDateTime| {
            let pieces = self.partition.between(&self.mart.name, self.time, at, at).ok()?;
            Some(pieces.first().map(|piece| bounds.contains(piece.bound.as_str())))
        };
        let walk = |begin: NaiveDateTime, next: &dyn Fn(NaiveDateTime) -> Option<NaiveDateTime>| {
            let (mut reached, mut at) = (begin, self.ranges.interval.floor(begin));
            while let Some(beside) = next(at) {
                match is_there(beside) {
                    Some(Some(true)) => reached = beside,
                    Some(None) => {}
                    _ => break,
                }
                at = beside;
            }
            reached
        };
        let before =
            |at: NaiveDateTime| Some(self.ranges.interval.floor(at.checked_sub_signed(TimeDelta::seconds(1))?));
        (walk(first, &before), walk(last, &|at| self.ranges.interval.after(at, 1)))
    }
}

impl Divided {
    /// Of a mart that is divided by time, as it is; `before` is what was known of it until now.
    pub fn of(mart: &Mart, live: &Relation, before: Option<&Self>) -> Option<Self> {
        let reach = Reach::of(mart, live)?;
        let all = ours(mart, live);
        let known = before.and_then(|before| reach.extent(before));
        let mut anchors = all.clone();
        anchors.retain(|at| known.is_none_or(|(first, last)| (first..=last).contains(at)));
        let those = if anchors.is_empty() { &all } else { &anchors };
        let (first, last) = reach.followed((*those.iter().min()?, *those.iter().max()?));
        let write = |at| reach.time.0.write(at, reach.time.1);
        Some(Self { first: write(first), last: write(last) })
    }
}

/// The partitions that rows of this span of time need, and those between them and the nearest that is there: the others begin
/// where these end.
///
/// # Errors
/// They would be too many.
pub fn homes(mart: &Mart, live: &Relation, span: Extent, now: DateTime<Utc>) -> Result<Vec<Piece>, TooMany> {
    let Some(reach) = Reach::of(mart, live) else { return Ok(Vec::new()) };
    let there = ours(mart, live);
    let (mut from, mut until) = span;
    let before = there.iter().filter(|at| **at <= from).max().copied();
    let after = there.iter().filter(|at| **at >= until).min().copied();
    match (before, after) {
        (Some(before), Some(after)) if after - until < from - before => until = after,
        (Some(before), _) => from = before,
        (None, Some(after)) => until = after,
        (None, None) => {}
    }
    let today = now.with_timezone(&reach.time.1).naive_local();
    let from = oldest(mart, reach.ranges, today).map_or(from, |oldest| oldest.max(from));
    reach.partition.between(&mart.name, reach.time, from, until)
}
