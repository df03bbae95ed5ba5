//! A query without the rows that are too old to be kept.

use crate::state::{Mart, Ranges, Retention, SpanUnit, quote_ident};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The oldest value that is kept in a column of this type, in the session's time zone; `None` where the type is not of
/// time. Days are the calendar's.
pub fn oldest_kept(retention: &Retention, type_name: &str) -> Option<String> {
    let keep = match retention.keep % DAY {
        0 => format!("pg_catalog.make_interval(days => {})", retention.keep / DAY),
        _ => format!("pg_catalog.make_interval(secs => {})", retention.keep),
    };
    // Of a date the whole day counts.
    Some(format!("(pg_catalog.now() - {keep}){}", time_cast(type_name)?))
}

/// What makes a time stamp with time zone a value of this type; `None` where it is not of time.
pub(crate) fn time_cast(type_name: &str) -> Option<&'static str> {
    let (base, zone) = type_name.split_once(' ').unwrap_or((type_name, ""));
    let base = base.split('(').next().unwrap_or(base);
    match (base, zone) {
        ("timestamp", "with time zone") => Some(""),
        ("timestamp", "without time zone") => Some("::timestamp"),
        ("date", "") => Some("::date"),
        _ => None,
    }
}

/// What a table mart is filled with: `query`, without the rows that its retention does not keep. `type_of` answers for
/// the columns of the query. What has no time is never too old.
pub fn retained(mart: &Mart, query: &str, type_of: impl Fn(&str) -> Option<String>) -> String {
    let by_row = mart.retention.as_ref().and_then(|retention| {
        let oldest = oldest_kept(retention, &type_of(&retention.column)?)?;
        Some((&retention.column, oldest))
    });
    let by_partition = oldest_partition_of(mart, &type_of);
    let by_partition = mart.partition.as_ref().map(|partition| &partition.column).zip(by_partition);
    let conditions: Vec<String> = by_row
        .into_iter()
        .chain(by_partition)
        .map(|(column, oldest)| (quote_ident(column), oldest))
        .map(|(column, oldest)| format!("kept.{column} >= {oldest} OR kept.{column} IS NULL"))
        .collect();
    let condition = match conditions.as_slice() {
        [] => return query.to_owned(),
        [one] => one.clone(),
        several => format!("({})", several.join(") AND (")),
    };
    format!("SELECT kept.* FROM (\n{}\n) AS kept\nWHERE {condition}", query.trim())
}

/// Where the oldest partition begins that a mart keeps, in the session's time zone; `None` where all are kept.
pub fn oldest_partition_of(mart: &Mart, type_of: impl Fn(&str) -> Option<String>) -> Option<String> {
    let partition = mart.partition.as_ref()?;
    oldest_partition(partition.ranges()?, &type_of(&partition.column)?)
}

/// Where the oldest partition begins that is kept, as a value of this type, in the session's time zone.
fn oldest_partition(ranges: &Ranges, type_name: &str) -> Option<String> {
    let (retain, interval) = (ranges.retain?, ranges.interval);
    let cast = time_cast(type_name)?;
    let unit = match retain.unit {
        SpanUnit::Hour => "hours",
        SpanUnit::Day => "days",
        SpanUnit::Week => "weeks",
        SpanUnit::Month => "months",
        SpanUnit::Year => "years",
    };
    let at = format!("(pg_catalog.now()::timestamp - pg_catalog.make_interval({unit} => {}))", retain.count);
    let binned = |days: u32, since: &str| format!("pg_catalog.date_bin('{days} days', {at}, '{since}'::timestamp)");
    let count = interval.count;
    let begins = match interval.unit {
        SpanUnit::Hour => format!("pg_catalog.date_bin('{count} hours', {at}, pg_catalog.date_trunc('day', {at}))"),
        SpanUnit::Day => binned(count, "1970-01-01"),
        SpanUnit::Week => binned(count * 7, "1969-12-29"),
        SpanUnit::Month => format!(
            "(pg_catalog.date_trunc('month', {at}) - pg_catalog.make_interval(months => \
             (extract(month FROM {at})::int - 1) % {count}))"
        ),
        SpanUnit::Year => format!("pg_catalog.date_trunc('year', {at})"),
    };
    if cast.is_empty() {
        // PostgreSQL takes the second of an hour that comes twice; the partition begins with the first.
        let before = format!("({begins} - interval '1 second')::timestamptz + interval '1 second'");
        return Some(format!("least({begins}::timestamptz, {before})"));
    }
    Some(format!("{begins}{cast}"))
}

/// The condition that a row of a mart, named `alias`, may still change: it is not older than `frozen_before`. `None` where nothing is
/// frozen. What has no time is never too old.
pub fn unfrozen(mart: &Mart, alias: &str, type_of: impl Fn(&str) -> Option<String>) -> Option<String> {
    let incremental = mart.refresh.incremental.as_ref()?;
    let (name, keep) = (incremental.time_column.as_ref()?, incremental.frozen_before?);
    let oldest = oldest_kept(&Retention { column: name.clone(), keep }, &type_of(name)?)?;
    let column = quote_ident(name);
    Some(format!("({alias}.{column} >= {oldest} OR {alias}.{column} IS NULL)"))
}

#[cfg(test)]
mod tests {
    use super::oldest_kept;
    use crate::state::Retention;

    #[test]
    fn only_times_have_an_age() {
        let oldest = |keep, type_name: &str| oldest_kept(&Retention { column: "day".into(), keep }, type_name);
        for (keep, type_name, wanted) in [
            (7_776_000, "date", Some("(pg_catalog.now() - pg_catalog.make_interval(days => 90))::date")),
            (5_400, "timestamp with time zone", Some("(pg_catalog.now() - pg_catalog.make_interval(secs => 5400))")),
            (
                86_400,
                "timestamp(3) without time zone",
                Some("(pg_catalog.now() - pg_catalog.make_interval(days => 1))::timestamp"),
            ),
            (86_400, "time without time zone", None),
            (86_400, "date[]", None),
            (86_400, "text", None),
        ] {
            assert_eq!(oldest(keep, type_name).as_deref(), wanted, "{type_name}");
        }
    }
}
