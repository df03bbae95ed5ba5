//! Values of a list, whoever spelled them: a manifest's are compared with those that PostgreSQL prints.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// How a bound of a list begins.
const LIST: &str = "FOR VALUES IN (";

/// What a bound takes of a column of this type, so that bounds that take the same are the same text; those that are no lists
/// stay as they are.
pub fn meaning(bound: &str, type_name: &str) -> String {
    let Some(values) = bound.strip_prefix(LIST).and_then(|rest| rest.strip_suffix(')')) else {
        return bound.to_owned();
    };
    let mut values: Vec<String> = literals(values).iter().map(|value| plain(value, type_name)).collect();
    values.sort_unstable();
    values.dedup();
    format!("{LIST}{values:?})")
}

/// The values of a list, without their quotes.
fn literals(list: &str) -> Vec<String> {
    let (mut values, mut value, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = list.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' if quoted && rest.peek() == Some(&'\'') => value.extend(rest.next()),
            '\'' => quoted = !quoted,
            ',' if !quoted => values.push(std::mem::take(&mut value)),
            ' ' if !quoted => {}
            c => value.push(c),
        }
    }
    values.push(value);
    values
}

/// A value in one spelling of all that its type reads as the same; as it is where that is not known.
fn plain(value: &str, type_name: &str) -> String {
    let base = match type_name.starts_with("timestamp") {
        true => "timestamp",
        false => type_name.split('(').next().unwrap_or(type_name),
    };
    let text = value.trim();
    let known = match base {
        "smallint" | "integer" | "bigint" => text.parse::<i64>().ok().map(|number| number.to_string()),
        "numeric" => number(text),
        "boolean" => truth(text).map(|truth| truth.to_string()),
        "date" => moment(text).map(|at| at.date().to_string()),
        "timestamp" if type_name.ends_with("without time zone") => moment(text).map(|at| at.to_string()),
        "timestamp" => instant(text).map(|at| at.naive_utc().to_string()),
        "uuid" => Some(text.to_lowercase().replace(['-', '{', '}'], "")),
        "character" => Some(value.trim_end_matches(' ').to_owned()),
        _ => None,
    };
    known.unwrap_or_else(|| value.to_owned())
}

/// A decimal without what does not count.
fn number(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + part.len() == 0 || !all(whole) || !all(part) {
        return None;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let sign = if whole.is_empty() && part.is_empty() { "" } else { sign };
    Some(format!("{sign}{whole}.{part}"))
}

/// <https://www.postgresql.org/docs/current/datatype-boolean.html>
fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A day, or a time of one, as far as no setting decides what it means.
fn moment(text: &str) -> Option<NaiveDateTime> {
    let days = ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%d-%B-%Y"];
    let times = ["%H:%M:%S%.f", "%H:%M"];
    let day = |text: &str| days.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    let time = |text: &str| times.iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok());
    if let Some(day) = day(text) {
        return Some(day.and_time(NaiveTime::MIN));
    }
    let (date, at) = text.rsplit_once(['T', ' '])?;
    Some(day(date.trim())?.and_time(time(at)?))
}

/// A time with its distance from UTC.
fn instant(text: &str) -> Option<DateTime<chrono::FixedOffset>> {
    let text = text.strip_suffix('Z').map_or_else(|| text.to_owned(), |text| format!("{text}+00"));
    ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z", "%Y-%m-%dT%H:%M%#z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(&text, format).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(type_name: &str, a: &str, b: &str) -> bool {
        meaning(&format!("FOR VALUES IN ({a})"), type_name) == meaning(&format!("FOR VALUES IN ({b})"), type_name)
    }

    #[test]
    fn values_that_mean_the_same_are_the_same() {
        for (type_name, declared, printed) in [
            ("integer", "'1', '02'", "1, 2"),
            ("integer", "'2', '1'", "1, 2"),
            ("bigint", "'-0'", "'0'"),
            ("numeric(10,2)", "'1'", "1.00"),
            ("numeric", "'+1.0', '-.5'", "1.0, '-0.50'"),
            ("boolean", "'yes'", "true"),
            ("date", "'2026/1/5'", "'2026-01-05'"),
            ("date", "'20260105'", "'2026-01-05'"),
            ("date", "'5 January 2026'", "'2026-01-05'"),
            ("date", "'Jan 5, 2026'", "'2026-01-05'"),
            ("timestamp without time zone", "'2026-01-05'", "'2026-01-05 00:00:00'"),
            ("timestamp(3) without time zone", "'2026-01-05T10:30'", "'2026-01-05 10:30:00'"),
            ("timestamp with time zone", "'2026-01-05 02:00+02'", "'2026-01-05 00:00:00+00'"),
            ("timestamp with time zone", "'2026-01-05T00:00:00Z'", "'2026-01-05 00:00:00+00'"),
            ("uuid", "'{A0EEBC99-9C0B4EF8-BB6D6BB9BD380A11}'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
            ("character(3)", "'DE'", "'DE '"),
            ("text", "'it''s, so', 'b'", "'b', 'it''s, so'"),
        ] {
            assert!(same(type_name, declared, printed), "{type_name}: {declared} and {printed}");
        }
    }

    #[test]
    fn values_that_mean_something_else_are_not() {
        for (type_name, a, b) in [
            ("integer", "'1'", "2"),
            ("numeric", "'1'", "10"),
            ("numeric", "'-1'", "1"),
            ("text", "'1.0'", "'1'"),
            ("text", "'a', 'b'", "'a, b'"),
            ("text", "'DE '", "'DE'"),
            ("date", "'2026-05-01'", "'2026-01-05'"),
            ("boolean", "'t'", "false"),
        ] {
            assert!(!same(type_name, a, b), "{type_name}: {a} and {b}");
        }
        assert_eq!(meaning("FOR VALUES FROM ('1') TO ('2')", "date"), "FOR VALUES FROM ('1') TO ('2')");
        assert_eq!(meaning("DEFAULT", "text"), "DEFAULT");
    }
}
