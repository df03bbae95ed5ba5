//! How new rows are, and from where on a window of them is computed again.

use super::time_cast;
use crate::state::{QName, quote_ident, quote_literal};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The greatest value of a column, of whatever type that is sorted; NULL where there is none.
pub fn newest(relation: &QName, column: &str) -> String {
    let column = quote_ident(column);
    format!("(SELECT {column} FROM {relation} WHERE {column} IS NOT NULL ORDER BY {column} DESC LIMIT 1)")
}

/// The latest time in a column that is not ahead of now; `None` where its type is not of time. Rows of the future, such as
/// plans, say nothing of how far the past is known.
pub fn newest_of_time(relation: &QName, column: &str, type_name: &str) -> Option<String> {
    let (column, cast) = (quote_ident(column), time_cast(type_name)?);
    Some(format!(
        "(SELECT {column} FROM {relation} WHERE {column} > '-infinity' AND {column} <= pg_catalog.now(){cast} \
         ORDER BY {column} DESC LIMIT 1)"
    ))
}

/// The greatest time in a column, as a moment in UTC that programs read (RFC 3339); NULL where there is none, or where
/// it is infinite or no year of four digits.
/// What has no zone is a time on the clock of `zone`. `None` where the column's type is not of time.
pub fn newest_moment(column: &str, type_name: &str, zone: &str) -> Option<String> {
    let newest = format!("pg_catalog.max({})", quote_ident(column));
    let moment = match time_cast(type_name)? {
        "" => newest.clone(),
        _ => format!("({newest}::timestamp AT TIME ZONE {})", quote_literal(zone)),
    };
    Some(format!(
        "CASE WHEN {newest} > '0001-01-02' AND {newest} < '9999-12-31' \
         THEN (pg_catalog.to_jsonb({moment} AT TIME ZONE 'UTC') #>> '{{}}') || '+00:00' END"
    ))
}

/// Where a window begins: `lookback` seconds before the earliest of now, the newest row there is and the last refresh, so that
/// nothing is passed over where nobody refreshed for long, or where the sources themselves were late. It begins with a whole
/// day, hour or minute where `lookback` is made of those: a row often stands for one. `newest` is an expression of the column's
/// type, in the session's time zone.
pub fn window_start(newest: &str, type_name: &str, lookback: u64, last_refresh: &str) -> Option<String> {
    let cast = time_cast(type_name)?;
    let units = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second")];
    let whole = units.into_iter().find(|(size, _)| lookback > 0 && lookback.is_multiple_of(*size));
    let unit = whole.map_or("microseconds", |(_, unit)| unit);
    let back = match unit {
        "day" => format!("days => {}", lookback / DAY),
        _ => format!("secs => {lookback}"),
    };
    // A date is reckoned with as a time without zone, and cut off again.
    let within = if cast.is_empty() { "" } else { "::timestamp" };
    let last = quote_literal(last_refresh);
    Some(format!(
        "(pg_catalog.date_trunc('{unit}', LEAST(pg_catalog.now(){within}, {newest}{within}, {last}::timestamptz{within})) \
         - pg_catalog.make_interval({back})){cast}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_what_it_is_made_of() {
        let start = |type_name, lookback| window_start("n", type_name, lookback, "2026-01-01").unwrap_or_default();
        assert_eq!(
            start("date", 2 * DAY),
            "(pg_catalog.date_trunc('day', LEAST(pg_catalog.now()::timestamp, n::timestamp, \
             '2026-01-01'::timestamptz::timestamp)) - pg_catalog.make_interval(days => 2))::date"
        );
        assert_eq!(
            start("timestamp with time zone", 90 * MINUTE),
            "(pg_catalog.date_trunc('minute', LEAST(pg_catalog.now(), n, '2026-01-01'::timestamptz)) \
             - pg_catalog.make_interval(secs => 5400))"
        );
        assert!(start("timestamp without time zone", 3 * HOUR).starts_with("(pg_catalog.date_trunc('hour'"));
        assert!(start("timestamp without time zone", 61).starts_with("(pg_catalog.date_trunc('second'"));
        assert!(start("timestamp without time zone", 0).starts_with("(pg_catalog.date_trunc('microseconds'"));
        assert_eq!(start("integer", DAY), "");
    }

    #[test]
    fn the_newest_is_looked_up() {
        let name = QName::new("public", "Sales");
        assert_eq!(
            newest(&name, "id"),
            "(SELECT id FROM public.\"Sales\" WHERE id IS NOT NULL ORDER BY id DESC LIMIT 1)"
        );
        assert_eq!(newest_of_time(&name, "id", "integer"), None);
        assert_eq!(newest_moment("id", "integer", "UTC"), None);
        assert_eq!(
            newest_moment("Day", "date", "Asia/Tokyo").as_deref(),
            Some(
                "CASE WHEN pg_catalog.max(\"Day\") > '0001-01-02' AND pg_catalog.max(\"Day\") < '9999-12-31' THEN (pg_catalog.to_jsonb((pg_catalog.max(\"Day\")::timestamp \
                 AT TIME ZONE 'Asia/Tokyo') AT TIME ZONE 'UTC') #>> '{}') || '+00:00' END"
            )
        );
        assert!(newest_of_time(&name, "day", "date").is_some_and(|sql| sql.contains("<= pg_catalog.now()::date ")));
    }
}
