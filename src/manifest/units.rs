//! Times in milliseconds and sizes, as people and PostgreSQL write them.

use crate::state::{MOST_SECONDS, parse_duration};

/// What is told of a timeout that PostgreSQL does not take.
pub(super) const TOO_LONG: &str = "PostgreSQL takes no timeout above 24 days";

/// Whether it takes one of so many milliseconds.
pub(super) fn is_too_long(milliseconds: u64) -> bool {
    milliseconds > MOST_SECONDS * 1_000
}

/// Milliseconds of `"3s"`, `"100ms"` or `"0"`.
pub(super) fn parse_milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if text == "0" {
        return Some(0);
    }
    match text.strip_suffix("ms") {
        Some(number) => number.trim_end().parse().ok(),
        None => parse_duration(text).ok()?.checked_mul(1_000),
    }
}

/// A size as PostgreSQL's settings take it, without spaces: `"2 GB"` is `2GB`.
pub(super) fn parse_size(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let unit = text[digits..].trim_start();
    let number: u64 = text[..digits].parse().ok()?;
    (number > 0 && matches!(unit, "kB" | "MB" | "GB" | "TB")).then(|| format!("{number}{unit}"))
}

/// Bytes of a size as [`parse_size`] reads it.
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
    let size = parse_size(text)?;
    let (number, unit) = size.split_at(size.len().checked_sub(2)?);
    let power = ["kB", "MB", "GB", "TB"].iter().position(|known| *known == unit)?;
    number.parse::<u64>().ok()?.checked_mul(1024_u64.checked_pow(u32::try_from(power).ok()? + 1)?)
}

/// A size that every PostgreSQL takes for memory: up to 16 its least is 1 MB, and it counts kilobytes in an `int`.
pub(super) fn parse_memory(text: &str) -> Option<String> {
    let kilobytes = parse_bytes(text)? / 1_024;
    parse_size(text).filter(|_| (1_024..=u64::from(i32::MAX.unsigned_abs())).contains(&kilobytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_and_sizes() {
        assert_eq!(parse_milliseconds("100ms"), Some(100));
        assert_eq!(parse_milliseconds("3s"), Some(3_000));
        assert_eq!(parse_milliseconds("0"), Some(0));
        assert_eq!(parse_milliseconds("5"), None);
        assert_eq!(parse_size("2 GB").as_deref(), Some("2GB"));
        assert_eq!(parse_size("0MB"), None);
        assert_eq!(parse_size("2gb"), None);
        assert_eq!(parse_bytes("3 kB"), Some(3_072));
        assert_eq!(parse_bytes("100GB"), Some(107_374_182_400));
        assert_eq!(parse_bytes("99999999999TB"), None);
        assert_eq!(parse_memory("1 MB").as_deref(), Some("1MB"));
        assert_eq!(["1kB", "1023kB", "2TB", "3"].map(parse_memory), [None, None, None, None]);
    }
}
