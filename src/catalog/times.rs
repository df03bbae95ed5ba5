//! When the partitions of a mart begin that is divided by time, and which of them are too old.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::actual::Relation;
use super::attached::Attached;
use super::columns::Column;
use crate::state::{Mart, Partition, Ranges, SpanUnit, TimeType, TooMany, range_of};

/// Why a mart cannot be divided as declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undividable {
    /// Its column is none of time.
    #[error("{column:?} is of type {type_name}, which cannot be divided by an interval")]
    NoTime {
        /// The column.
        column: String,
        /// Its type.
        type_name: String,
    },
    /// A day has no hours.
    #[error("{column:?} is of type date, which cannot be divided by {interval}")]
    Hours {
        /// The column.
        column: String,
        /// The interval.
        interval: String,
    },
    /// Into too many.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

impl Undividable {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoTime { .. } => "name a column of type date, timestamp or timestamp with time zone",
            Self::Hours { .. } => "choose an interval of days or longer, or a column with hours",
            Self::TooMany(TooMany::Partitions { .. }) => {
                "leave out rows that are so far away, set `retain` in [partition], or choose a longer interval"
            }
            Self::TooMany(TooMany::Year { .. }) => "leave out rows that are so far away",
        }
    }
}

/// How a mart's time is written: the type of the column by which it is divided, and its zone.
pub fn time_of(mart: &Mart, columns: &[Column]) -> Option<Result<(TimeType, Tz), Undividable>> {
    let partition = mart.partition.as_ref().filter(|partition| partition.ranges().is_some())?;
    let column = columns.iter().find(|column| column.name == partition.column)?;
    let zone: Tz = mart.timezone.parse().unwrap_or(Tz::UTC);
    let interval = partition.ranges()?.interval;
    Some(match TimeType::of(&column.type_name) {
        Some(TimeType::Date) if interval.unit == SpanUnit::Hour && interval.count < 24 => {
            Err(Undividable::Hours { column: column.name.clone(), interval: interval.to_string() })
        }
        Some(kind) => Ok((kind, zone)),
        None => Err(Undividable::NoTime { column: column.name.clone(), type_name: column.type_name.clone() }),
    })
}

/// When the partitions of a mart begin that are as declared.
pub(super) fn ours(mart: &Mart, live: &Relation) -> Vec<NaiveDateTime> {
    match (&mart.partition, time_of(mart, &live.columns)) {
        (Some(partition), Some(Ok(time))) => begins(partition, live, time, mart),
        _ => Vec::new(),
    }
}

/// When the partitions begin that are as ours would be.
pub(super) fn begins(partition: &Partition, live: &Relation, time: (TimeType, Tz), mart: &Mart) -> Vec<NaiveDateTime> {
    let ours = |attached: &Attached| {
        let (from, _) = range_of(&attached.bound)?;
        let at = time.0.read(&from, time.1)?;
        let piece = partition.between(&mart.name, time, at, at).ok()?.pop()?;
        (piece.bound == attached.bound).then_some(at)
    };
    live.partitions.iter().filter_map(ours).collect()
}

/// Where the oldest partition of a mart begins that is kept at the instant `now`; `None`: all are.
pub fn kept_from(mart: &Mart, columns: &[Column], now: DateTime<Utc>) -> Option<NaiveDateTime> {
    let (_, zone) = time_of(mart, columns)?.ok()?;
    oldest(mart, mart.partition.as_ref()?.ranges()?, now.with_timezone(&zone).naive_local())
}

/// Where the oldest partition begins that is kept; `None`: all are.
pub(super) fn oldest(mart: &Mart, ranges: &Ranges, today: NaiveDateTime) -> Option<NaiveDateTime> {
    let retained = ranges.retain.and_then(|retain| retain.before(today));
    let kept = mart.retention.as_ref().filter(|kept| mart.partition.as_ref().is_some_and(|p| p.column == kept.column));
    let kept = kept.and_then(|kept| today.checked_sub_signed(TimeDelta::try_seconds(i64::try_from(kept.keep).ok()?)?));
    retained.into_iter().chain(kept).max().map(|oldest| ranges.interval.floor(oldest))
}

/// The partitions of `live` that are too old to be kept at the instant `now`.
pub fn expired<'a>(mart: &Mart, live: &'a Relation, now: DateTime<Utc>) -> Vec<&'a Attached> {
    let Some(Ok((kind, zone))) = time_of(mart, &live.columns) else { return Vec::new() };
    let Some(oldest) = kept_from(mart, &live.columns, now) else { return Vec::new() };
    let older = |attached: &&Attached| {
        let until = range_of(&attached.bound).and_then(|(_, until)| kind.read(&until, zone));
        until.is_some_and(|until| until <= oldest)
    };
    live.partitions.iter().filter(older).collect()
}
