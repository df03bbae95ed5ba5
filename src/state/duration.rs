//! Durations as people write them: "10s", "30m", "1h", "1 day", "1h 30m".

/// The longest timeout that PostgreSQL takes: it counts milliseconds in an `int`.
pub const MOST_SECONDS: u64 = 2_147_483;

/// Seconds of a duration, or what is wrong with it. Units: s, m, h, d, w and their long forms.
pub fn parse_duration(text: &str) -> Result<u64, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("a duration is empty".to_owned());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| format!("{text:?} is not a duration"))?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = unit_seconds(&rest[..letters]).ok_or_else(|| format!("{text:?} is not a duration"))?;
        total = number
            .checked_mul(unit)
            .and_then(|seconds| total.checked_add(seconds))
            .ok_or_else(|| format!("{text:?} is too long"))?;
        rest = rest[letters..].trim_start();
    }
    Ok(total)
}

fn unit_seconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return None,
    })
}

/// Seconds for people: at most two units, `3d 4h`, `12m 5s`, `0s`.
pub fn format_duration(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        } else if !parts.is_empty() {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse_duration("10s"), Ok(10));
        assert_eq!(parse_duration("90 days"), Ok(7_776_000));
        assert_eq!(parse_duration("1h30m"), Ok(5_400));
        assert_eq!(parse_duration("1 hour 5 minutes"), Ok(3_900));
        for bad in ["", "h", "10", "10 parsecs", "-1h", "99999999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn writes_what_people_read() {
        assert_eq!(format_duration(0), "0s");
        assert_eq!(format_duration(65), "1m 5s");
        assert_eq!(format_duration(3 * 86_400 + 4 * 3_600 + 59), "3d 4h");
        assert_eq!(format_duration(3_600), "1h");
    }
}
