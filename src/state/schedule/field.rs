//! One field of a cron expression.

use super::ScheduleError;

/// What a field counts: its name, bounds, and the names of `min`, `min + 1` and so on.
pub(super) struct Unit {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static str,
}

const fn unit(name: &'static str, min: u32, max: u32, names: &'static str) -> Unit {
    Unit { name, min, max, names }
}

pub(super) const MINUTE: Unit = unit("minute", 0, 59, "");
pub(super) const HOUR: Unit = unit("hour", 0, 23, "");
pub(super) const DAY: Unit = unit("day of the month", 1, 31, "");
pub(super) const MONTH: Unit = unit("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec");
pub(super) const WEEKDAY: Unit = unit("day of the week", 0, 7, "sun mon tue wed thu fri sat");

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
    /// Whether it allows this value.
    pub fn has(self, value: u32) -> bool {
        value < 64 && self.bits & (1 << value) != 0
    }

    /// Reads a list of values, ranges and steps.
    pub fn parse(text: &str, unit: &Unit) -> Result<Self, ScheduleError> {
        let mut bits = 0u64;
        for part in text.split(',') {
            let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
            let (low, high) = unit.bounds(range, step.is_some())?;
            let step = step.map_or(Ok(1), |step| unit.step(step))?;
            bits |= (low..=high).step_by(step).fold(0, |bits, value| bits | 1 << value);
        }
        if unit.max == WEEKDAY.max {
            bits = bits & !(1 << 7) | bits >> 7; // 7 is Sunday, too
        }
        Ok(Self { bits, star: text.starts_with('*'), wildcard: text.contains(['*', '/']) })
    }
}

impl Unit {
    /// The lowest and highest value of `*`, `a-b` or `a`.
    fn bounds(&self, range: &str, stepped: bool) -> Result<(u32, u32), ScheduleError> {
        let Self { name, min, max, .. } = self;
        if range == "*" {
            return Ok((*min, *max));
        }
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        match (self.value(low)?, self.value(high)?) {
            (low, high) if low > high => refused(format!("the {name} range {range} ends before it begins")),
            _ if stepped && !range.contains('-') => {
                refused(format!("the {name} has a step without a range; write {range}-{max}/…"))
            }
            bounds => Ok(bounds),
        }
    }

    fn value(&self, text: &str) -> Result<u32, ScheduleError> {
        let Self { name, min, max, names } = self;
        let named =
            (*min..).zip(names.split(' ')).find(|(_, name)| !text.is_empty() && name.eq_ignore_ascii_case(text));
        match named.map(|(value, _)| value).or_else(|| number(text)) {
            Some(value) if (*min..=*max).contains(&value) => Ok(value),
            _ => refused(format!("{name} {text:?} is not between {min} and {max}")),
        }
    }

    fn step(&self, text: &str) -> Result<usize, ScheduleError> {
        let Self { name, max, .. } = self;
        match number(text) {
            Some(step) if (1..=*max).contains(&step) => Ok(step as usize),
            _ => refused(format!("the step {text:?} of the {name} is not between 1 and {max}")),
        }
    }
}

/// Digits only: no sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn refused<T>(message: String) -> Result<T, ScheduleError> {
    Err(ScheduleError(message))
}
