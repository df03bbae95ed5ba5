//! The partitions of a mart: their names and bounds.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDateTime};
use chrono_tz::Tz;

use super::decl::{Partition, PartitionBy};
use super::time::TimeType;
use crate::state::{Fingerprint, MAX_NAME_BYTES, QName, derived_name, quote_ident, quote_literal};

/// A mart has no more partitions than this: planning would take longer than reading them saves.
pub const MOST_PARTITIONS: usize = 10_000;

/// One partition, as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its relation.
    pub name: QName,
    /// What it takes, as PostgreSQL prints it: `FOR VALUES …`, or `DEFAULT`.
    pub bound: String,
    /// Where it is by time: from when, and until before when.
    pub range: Option<(String, String)>,
}

/// Years that partitions can be of.
const YEARS: RangeInclusive<i32> = 1..=9999;

/// More partitions would be needed than a mart may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// Of intervals this short.
    #[error(
        "from {from} to {until} there would be more than {MOST_PARTITIONS} partitions of {interval}, which is the most"
    )]
    Partitions {
        /// Of what.
        interval: String,
        /// From when on.
        from: NaiveDateTime,
        /// Until when.
        until: NaiveDateTime,
    },
    /// Beyond the calendar.
    #[error(
        "there are partitions of the years 1 to 9999 only, and a time is beyond them, in the year {year} or further"
    )]
    Year {
        /// Which.
        year: i32,
    },
}

impl Piece {
    /// The condition that rows of `column` meet that go here; `None` where that is not by time.
    pub fn condition(&self, column: &str) -> Option<String> {
        let (from, to) = self.range.as_ref()?;
        let column = quote_ident(column);
        Some(format!("{column} >= {} AND {column} < {}", quote_literal(from), quote_literal(to)))
    }

    /// The same as a constraint says it: of a row without a value it does not hold, either.
    pub fn own(&self, column: &str) -> Option<String> {
        Some(format!("{} IS NOT NULL AND {}", quote_ident(column), self.condition(column)?))
    }

    /// Whether it takes what no other takes.
    pub fn is_default(&self) -> bool {
        self.bound == DEFAULT
    }
}

const DEFAULT: &str = "DEFAULT";

impl Partition {
    /// The partitions that are there whatever the rows are: by list, by hash, and the one for all others.
    pub fn fixed(&self, mart: &QName) -> Vec<Piece> {
        let piece = |suffix: &str, bound: String| Piece { name: name(mart, suffix), bound, range: None };
        let mut pieces: Vec<Piece> = match &self.by {
            PartitionBy::Range(_) => Vec::new(),
            PartitionBy::List { values } => {
                let bound = |values: &Vec<String>| {
                    let values: Vec<String> = values.iter().map(|value| quote_literal(value)).collect();
                    format!("FOR VALUES IN ({})", values.join(", "))
                };
                values.iter().map(|(key, values)| piece(&format!("_{key}"), bound(values))).collect()
            }
            PartitionBy::Hash { modulus } => {
                let bound = |at: u32| format!("FOR VALUES WITH (modulus {modulus}, remainder {at})");
                (0..*modulus).map(|at| piece(&format!("_p{at}"), bound(at))).collect()
            }
        };
        if self.default {
            pieces.push(piece("_default", DEFAULT.to_owned()));
        }
        pieces
    }

    /// The condition that the rows meet which go to `piece`, one of `pieces`.
    pub fn takes(&self, mart: &QName, piece: &Piece, pieces: &[Piece]) -> Option<String> {
        let column = quote_ident(&self.column);
        if piece.is_default() {
            let others: Vec<String> = match &self.by {
                PartitionBy::Range(_) => joined(pieces)
                    .iter()
                    .map(|(from, to)| {
                        format!("{column} >= {} AND {column} < {}", quote_literal(from), quote_literal(to))
                    })
                    .collect(),
                _ => pieces.iter().filter(|p| !p.is_default()).filter_map(|p| self.takes(mart, p, &[])).collect(),
            };
            let any = others.iter().map(|other| format!("({other}) IS NOT TRUE")).collect::<Vec<_>>();
            return Some(if any.is_empty() { "true".to_owned() } else { any.join(" AND ") });
        }
        match &self.by {
            PartitionBy::Range(_) => piece.condition(&self.column),
            PartitionBy::List { .. } => Some(format!("{column} {}", piece.bound.strip_prefix("FOR VALUES ")?)),
            PartitionBy::Hash { modulus } => {
                let (_, at) = piece.bound.rsplit_once("remainder ")?;
                let (mart, at) = (quote_literal(&mart.to_string()), at.trim_end_matches(')'));
                Some(format!(
                    "pg_catalog.satisfies_hash_partition({mart}::pg_catalog.regclass, {modulus}, {at}, {column})"
                ))
            }
        }
    }

    /// The partitions by time from that of `from` to that of `until`. An hour that a zone's clock leaves out has none, of
    /// one that comes twice both are in one.
    ///
    /// # Errors
    /// There would be too many.
    pub fn between(
        &self,
        mart: &QName,
        (kind, zone): (TimeType, Tz),
        from: NaiveDateTime,
        until: NaiveDateTime,
    ) -> Result<Vec<Piece>, TooMany> {
        let Some(ranges) = self.ranges() else { return Ok(Vec::new()) };
        if let Some(year) = [from.year(), until.year()].into_iter().find(|year| !YEARS.contains(year)) {
            return Err(TooMany::Year { year });
        }
        let mut pieces = Vec::new();
        let mut at = ranges.interval.floor(from);
        while at <= until {
            let Some(next) = ranges.interval.after(at, 1) else { break };
            let (lower, upper) = (kind.write(at, zone), kind.write(next, zone));
            if lower != upper {
                let bound = format!("FOR VALUES FROM ({}) TO ({})", quote_literal(&lower), quote_literal(&upper));
                let name = name(mart, &ranges.interval.suffix(at));
                pieces.push(Piece { name, bound, range: Some((lower, upper)) });
            }
            if pieces.len() > MOST_PARTITIONS {
                return Err(TooMany::Partitions { interval: ranges.interval.to_string(), from, until });
            }
            at = next;
        }
        Ok(pieces)
    }
}

fn name(mart: &QName, suffix: &str) -> QName {
    mart.sibling(derived_name(&mart.name, suffix))
}

/// How the names of partitions of `mart` begin, whatever they end with.
pub fn partition_prefix(mart: &QName) -> String {
    // The longest suffix is that of an hour.
    const LONGEST: usize = "_y2026_m01_d01_h00".len();
    match derived_name(&mart.name, &"_".repeat(LONGEST)) {
        whole if whole.starts_with(&mart.name) => format!("{}_", mart.name),
        shortened => shortened[..shortened.len() - LONGEST].to_owned(),
    }
}

/// The name that a partition of `mart` gets when it becomes a table of its own: another one than a partition may need again.
/// `None`: it keeps its name, which none needs.
pub fn detached_name(mart: &QName, partition: &QName, taken: impl Fn(&QName) -> bool) -> Option<QName> {
    if partition.schema != mart.schema || !partition.name.starts_with(&partition_prefix(mart)) {
        return None;
    }
    let numbered = |number: u32| {
        let word = if number == 1 { "_detached".to_owned() } else { format!("_detached_{number}") };
        if partition.name.len() + word.len() <= MAX_NAME_BYTES {
            return format!("{}{word}", partition.name);
        }
        // A long name keeps what tells it apart.
        let hash = Fingerprint::of(&partition.name).0;
        derived_name(&partition.name, &format!("_{}{word}", &hash[hash.len() - 8..]))
    };
    (1..=u32::MAX).map(|number| partition.sibling(numbered(number))).find(|name| !taken(name))
}

/// What partitions by time take together: those that follow one another as one.
fn joined(pieces: &[Piece]) -> Vec<(&str, &str)> {
    let mut ranges: Vec<(&str, &str)> =
        pieces.iter().filter_map(|piece| piece.range.as_ref()).map(|(from, to)| (from.as_str(), to.as_str())).collect();
    ranges.sort_unstable();
    let mut joined: Vec<(&str, &str)> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// From when and until before when a partition takes rows, of a bound as PostgreSQL prints it.
pub fn range_of(bound: &str) -> Option<(String, String)> {
    let rest = bound.strip_prefix("FOR VALUES FROM ('")?.strip_suffix("')")?;
    let (from, to) = rest.split_once("') TO ('")?;
    let plain = |text: &str| !text.contains('\'');
    (plain(from) && plain(to)).then(|| (from.to_owned(), to.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::state::{OnExpire, Ranges, Span};

    fn by_time(interval: &str) -> Partition {
        let interval = Span::parse(interval).unwrap_or_else(|error| panic!("{error}"));
        let ranges = Ranges { interval, start: None, premake: 0, retain: None, on_expire: OnExpire::Drop };
        Partition { column: "at".into(), by: PartitionBy::Range(ranges), default: true }
    }

    fn time(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap_or_default()
    }

    fn between(interval: &str, kind: (TimeType, Tz), from: &str, until: &str) -> Vec<Piece> {
        let mart = QName::new("public", "sales");
        by_time(interval).between(&mart, kind, time(from), time(until)).unwrap_or_default()
    }

    #[test]
    fn months_of_a_date() {
        let pieces = between("1 month", (TimeType::Date, Tz::UTC), "2025-11-30 12:00", "2026-01-31 00:00");
        let names: Vec<&str> = pieces.iter().map(|piece| piece.name.name.as_str()).collect();
        assert_eq!(names, ["sales_y2025_m11", "sales_y2025_m12", "sales_y2026_m01"]);
        assert_eq!(pieces[1].bound, "FOR VALUES FROM ('2025-12-01') TO ('2026-01-01')");
        assert_eq!(range_of(&pieces[1].bound), pieces[1].range);
        assert_eq!(pieces[1].condition("at").as_deref(), Some("at >= '2025-12-01' AND at < '2026-01-01'"));
    }

    #[test]
    fn hours_follow_the_clock_on_the_wall() {
        let hours = |from, until| between("1 hour", (TimeType::Timestamptz, Tz::Europe__Berlin), from, until);
        let spring = hours("2026-03-29 00:00", "2026-03-29 04:00");
        let names: Vec<&str> = spring.iter().map(|piece| &piece.name.name[20..]).collect();
        assert_eq!(names, ["h00", "h01", "h03", "h04"]);
        let autumn = hours("2026-10-25 01:00", "2026-10-25 03:00");
        let twice = autumn.iter().find(|piece| piece.name.name.ends_with("h02")).and_then(|piece| piece.range.clone());
        assert_eq!(twice, Some(("2026-10-25 00:00:00+00".into(), "2026-10-25 02:00:00+00".into())));
    }

    #[test]
    fn no_time_is_left_out_and_none_comes_twice() {
        let zones = [Tz::Europe__Berlin, Tz::America__Santiago, Tz::Australia__Lord_Howe, Tz::Asia__Kathmandu];
        for zone in zones {
            for interval in ["1 hour", "6 hours", "1 day", "1 week", "1 month", "3 months", "1 year"] {
                let kind = (TimeType::Timestamptz, zone);
                let pieces = between(interval, kind, "2025-12-31 23:00", "2027-01-01 01:00");
                let bounds: Vec<_> = pieces.iter().filter_map(|piece| piece.range.clone()).collect();
                assert!(bounds.windows(2).all(|two| two[0].1 == two[1].0), "{interval} in {zone}");
                assert!(bounds.iter().all(|(from, to)| from < to), "{interval} in {zone}");
                let mut names: Vec<_> = pieces.iter().map(|piece| &piece.name.name).collect();
                names.dedup();
                assert_eq!(names.len(), pieces.len(), "{interval} in {zone}");
            }
        }
    }

    #[test]
    fn lists_and_hashes_have_the_partitions_they_name() {
        let mart = QName::new("public", "sales");
        let values = BTreeMap::from([("eu".to_owned(), vec!["DE".to_owned(), "it's".to_owned()])]);
        let list = Partition { column: "country".into(), by: PartitionBy::List { values }, default: true };
        let pieces = list.fixed(&mart);
        assert_eq!(pieces[0].bound, "FOR VALUES IN ('DE', 'it''s')");
        assert!(pieces[1].is_default() && pieces[1].name.name == "sales_default");
        let hash = Partition { column: "id".into(), by: PartitionBy::Hash { modulus: 2 }, default: false };
        let pieces = hash.fixed(&mart);
        assert_eq!(pieces.len(), 2);
        assert_eq!(
            (pieces[1].name.name.as_str(), &*pieces[1].bound),
            ("sales_p1", "FOR VALUES WITH (modulus 2, remainder 1)")
        );
    }

    #[test]
    fn long_marts_have_partitions_too() {
        let mart = QName::new("public", "x".repeat(63));
        let hash = Partition { column: "id".into(), by: PartitionBy::Hash { modulus: 2 }, default: false };
        assert!(hash.fixed(&mart).iter().all(|piece| piece.name.name.len() == 63 && piece.name.name.contains("_p")));
    }

    #[test]
    fn what_is_detached_has_a_name_that_no_partition_needs() {
        let mart = QName::new("public", "sales");
        let old = mart.sibling("sales_y2025_m01");
        let free = |_: &QName| false;
        assert_eq!(detached_name(&mart, &old, free), Some(mart.sibling("sales_y2025_m01_detached")));
        let first = |name: &QName| name.name == "sales_y2025_m01_detached";
        assert_eq!(detached_name(&mart, &old, first), Some(mart.sibling("sales_y2025_m01_detached_2")));
        assert_eq!(detached_name(&mart, &mart.sibling("theirs"), free), None);
        let long = QName::new("public", "x".repeat(63));
        let hash = Partition { column: "id".into(), by: PartitionBy::Hash { modulus: 2 }, default: false };
        let of_long = &hash.fixed(&long)[1].name;
        assert!(detached_name(&long, of_long, free).is_some_and(|name| name.name.ends_with("_detached")));
    }

    #[test]
    fn rows_are_told_that_a_partition_takes() {
        let mart = QName::new("public", "sales");
        let months = between("1 month", (TimeType::Date, Tz::UTC), "2026-01-01 00:00", "2026-03-01 00:00");
        let mut pieces = months.clone();
        pieces.extend(by_time("1 month").fixed(&mart));
        let rest = by_time("1 month").takes(&mart, &pieces[3], &pieces);
        assert_eq!(rest.as_deref(), Some("(at >= '2026-01-01' AND at < '2026-04-01') IS NOT TRUE"));
        let values = BTreeMap::from([("eu".to_owned(), vec!["DE".to_owned()])]);
        let list = Partition { column: "country".into(), by: PartitionBy::List { values }, default: true };
        let pieces = list.fixed(&mart);
        assert_eq!(list.takes(&mart, &pieces[0], &pieces).as_deref(), Some("country IN ('DE')"));
        assert_eq!(list.takes(&mart, &pieces[1], &pieces).as_deref(), Some("(country IN ('DE')) IS NOT TRUE"));
        let hash = Partition { column: "id".into(), by: PartitionBy::Hash { modulus: 2 }, default: false };
        let pieces = hash.fixed(&mart);
        assert_eq!(
            hash.takes(&mart, &pieces[1], &pieces).as_deref(),
            Some("pg_catalog.satisfies_hash_partition('public.sales'::pg_catalog.regclass, 2, 1, id)")
        );
    }

    #[test]
    fn there_are_not_too_many() {
        let mart = QName::new("public", "sales");
        let kind = (TimeType::Timestamp, Tz::UTC);
        let many = by_time("1 hour").between(&mart, kind, time("2000-01-01 00:00"), time("2026-01-01 00:00"));
        assert!(many.is_err_and(|error| error.to_string().contains("10000 partitions of 1 hour")));
        let far = by_time("1 year").between(&mart, kind, time("2026-01-01 00:00"), time("+10000-01-01 00:00"));
        assert_eq!(far, Err(TooMany::Year { year: 10_000 }));
    }

    #[test]
    fn another_interval_divides_otherwise() {
        assert!(by_time("1 month").divides_as(&by_time("1 month")));
        assert!(!by_time("1 month").divides_as(&by_time("1 day")));
        let mut more = by_time("1 month");
        if let PartitionBy::Range(ranges) = &mut more.by {
            ranges.premake = 9;
        }
        assert!(by_time("1 month").divides_as(&more));
    }
}
