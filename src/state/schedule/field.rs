//! One field of a cron expression.

use super::ScheduleError;

/// What a field counts.
pub(super) struct Unit {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names that mean `min`, `min + 1` and so on.
    names: &'static [&'static str],
}

pub(super) const MINUTE: Unit = Unit {
    name: "minute",
    min: 0,
    max: 59,
    names: &[],
};
pub(super) const HOUR: Unit = Unit {
    name: "hour",
    min: 0,
    max: 23,
    names: &[],
};
pub(super) const DAY: Unit = Unit {
    name: "day of the month",
    min: 1,
    max: 31,
    names: &[],
};
pub(super) const MONTH: Unit = Unit {
    name: "month",
    min: 1,
    max: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
pub(super) const WEEKDAY: Unit = Unit {
    name: "day of the week",
    min: 0,
    max: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// The values a field allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    bits: u64,
    /// It begins with `*`: crontab(5) then takes it as no restriction of its own.
    pub star: bool,
    /// It has a `*` or a step.
    pub wildcard: bool,
}

impl Field {
    pub fn has(self, value: u32) -> bool {
        value < 64 && self.bits & (1 << value) != 0
    }

    /// Reads a list of values, ranges and steps.
    pub fn parse(text: &str, unit: &Unit) -> Result<Self, ScheduleError> {
        let mut bits = 0u64;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let (low, high) = bounds(range, step.is_some(), unit)?;
            let step = step.map_or(Ok(1), |s| self::step(s, unit))?;
            let mut value = low;
            while value <= high {
                bits |= 1 << value;
                value += step;
            }
        }
        if unit.max == WEEKDAY.max && bits & (1 << 7) != 0 {
            bits = (bits & !(1 << 7)) | 1; // 7 is Sunday, too
        }
        Ok(Self {
            bits,
            star: text.starts_with('*'),
            wildcard: text.contains(['*', '/']),
        })
    }
}

/// The lowest and highest value of `*`, `a-b` or `a`.
fn bounds(range: &str, stepped: bool, unit: &Unit) -> Result<(u32, u32), ScheduleError> {
    if range == "*" {
        return Ok((unit.min, unit.max));
    }
    match range.split_once('-') {
        Some((low, high)) => {
            let (low, high) = (value(low, unit)?, value(high, unit)?);
            if low > high {
                return Err(ScheduleError(format!(
                    "the {} range {range} ends before it begins",
                    unit.name
                )));
            }
            Ok((low, high))
        }
        None => {
            let low = value(range, unit)?;
            if stepped {
                return Err(ScheduleError(format!(
                    "the {} has a step without a range; write {range}-{}/…",
                    unit.name, unit.max
                )));
            }
            Ok((low, low))
        }
    }
}

fn value(text: &str, unit: &Unit) -> Result<u32, ScheduleError> {
    let named = unit
        .names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
        .and_then(|i| u32::try_from(i).ok());
    if let Some(i) = named {
        return Ok(unit.min + i);
    }
    number(text)
        .filter(|v| (unit.min..=unit.max).contains(v))
        .ok_or_else(|| {
            ScheduleError(format!(
                "{} {text:?} is not between {} and {}",
                unit.name, unit.min, unit.max
            ))
        })
}

fn step(text: &str, unit: &Unit) -> Result<u32, ScheduleError> {
    number(text)
        .filter(|v| (1..=unit.max).contains(v))
        .ok_or_else(|| {
            ScheduleError(format!(
                "the step {text:?} of the {} is not between 1 and {}",
                unit.name, unit.max
            ))
        })
}

/// Digits only: no sign.
fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}
