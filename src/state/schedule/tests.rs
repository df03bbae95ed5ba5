use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::Schedule;

/// The next due times, as UTC minutes.
fn runs(schedule: &str, zone: Tz, after: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(schedule).unwrap();
    let mut at: DateTime<Utc> = after.parse().unwrap();
    let mut out = Vec::new();
    for _ in 0..count {
        let Some(next) = schedule.next_after(at, zone) else {
            break;
        };
        assert!(next > at);
        out.push(next.format("%m-%d %H:%M").to_string());
        at = next;
    }
    out
}

fn error(text: &str) -> String {
    Schedule::parse(text).unwrap_err().0
}

#[test]
fn intervals() {
    assert_eq!(Schedule::parse("30m"), Ok(Schedule::Interval(1_800)));
    assert_eq!(Schedule::parse("1 day"), Ok(Schedule::Interval(86_400)));
    assert_eq!(runs("10s", Tz::UTC, "2026-01-01T00:00:55Z", 1), ["01-01 00:01"]);
    assert_eq!(error("0s"), "an interval of nothing never ends");
}

#[test]
fn fields() {
    let at = "2026-01-01T00:00:00Z"; // a Thursday
    for (schedule, expected) in [
        ("* * * * *", ["01-01 00:01", "01-01 00:02", "01-01 00:03"]),
        ("0 */4 * * *", ["01-01 04:00", "01-01 08:00", "01-01 12:00"]),
        ("5-20/7 3 * * *", ["01-01 03:05", "01-01 03:12", "01-01 03:19"]),
        ("0,30 9 * * *", ["01-01 09:00", "01-01 09:30", "01-02 09:00"]),
        ("0 0 1 JAN,jul *", ["07-01 00:00", "01-01 00:00", "07-01 00:00"]),
        ("0 6 * * mon-wed", ["01-05 06:00", "01-06 06:00", "01-07 06:00"]),
        ("0 6 * * 0", ["01-04 06:00", "01-11 06:00", "01-18 06:00"]),
        ("0 6 * * 7", ["01-04 06:00", "01-11 06:00", "01-18 06:00"]),
        ("0 6 * * 6-7", ["01-03 06:00", "01-04 06:00", "01-10 06:00"]),
        ("0 0 31 * *", ["01-31 00:00", "03-31 00:00", "05-31 00:00"]),
        // both restricted: either
        ("0 0 13 * fri", ["01-02 00:00", "01-09 00:00", "01-13 00:00"]),
        // a star in front is no restriction of its own: both
        ("0 0 */2 * fri", ["01-09 00:00", "01-23 00:00", "02-13 00:00"]),
        ("0 0 13 * */5", ["02-13 00:00", "03-13 00:00", "09-13 00:00"]),
        ("@hourly", ["01-01 01:00", "01-01 02:00", "01-01 03:00"]),
        ("@weekly", ["01-04 00:00", "01-11 00:00", "01-18 00:00"]),
        ("@monthly", ["02-01 00:00", "03-01 00:00", "04-01 00:00"]),
    ] {
        assert_eq!(runs(schedule, Tz::UTC, at, 3), expected, "{schedule}");
    }
}

#[test]
fn leap_days_come() {
    let schedule = Schedule::parse("0 0 29 2 *").unwrap();
    let at = "2096-03-01T00:00:00Z".parse().unwrap();
    let next = schedule.next_after(at, Tz::UTC).unwrap();
    assert_eq!(next.to_rfc3339(), "2104-02-29T00:00:00+00:00");
    let sunday = Schedule::parse("0 0 29 2 */7").unwrap();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let next = sunday.next_after(at, Tz::UTC).unwrap();
    assert_eq!(next.to_rfc3339(), "2032-02-29T00:00:00+00:00");
}

#[test]
fn refused() {
    for (text, message) in [
        ("", "the schedule is empty"),
        ("often", "\"often\" is neither an interval nor a cron expression"),
        ("* * * *", "\"* * * *\" has 4 fields; cron has 5"),
        ("0 * * * * *", "\"0 * * * * *\" has 6 fields; cron has 5 and no seconds"),
        ("60 * * * *", "minute \"60\" is not between 0 and 59"),
        ("0 24 * * *", "hour \"24\" is not between 0 and 23"),
        ("0 0 0 * *", "day of the month \"0\" is not between 1 and 31"),
        ("0 0 * 13 *", "month \"13\" is not between 1 and 12"),
        ("0 0 * * 8", "day of the week \"8\" is not between 0 and 7"),
        ("0 0 * * fry", "day of the week \"fry\" is not between 0 and 7"),
        ("-5 * * * *", "minute \"\" is not between 0 and 59"),
        ("+5 * * * *", "minute \"+5\" is not between 0 and 59"),
        ("** * * * *", "minute \"**\" is not between 0 and 59"),
        ("30* 2 * * *", "minute \"30*\" is not between 0 and 59"),
        ("0 0 ? * *", "day of the month \"?\" is not between 1 and 31"),
        ("*/0 * * * *", "the step \"0\" of the minute is not between 1 and 59"),
        ("5/15 * * * *", "the minute has a step without a range; write 5-59/…"),
        ("30-10 * * * *", "the minute range 30-10 ends before it begins"),
        ("0 0 31 2 *", "the schedule \"0 0 31 2 *\" never fires: no month it names has such a day"),
        ("0 0 31 4,6 */2", "the schedule \"0 0 31 4,6 */2\" never fires: no month it names has such a day"),
        ("@reboot", "\"@reboot\" is none of @hourly, @daily, @weekly, @monthly, @yearly"),
    ] {
        assert_eq!(error(text), message, "{text}");
    }
    assert!(Schedule::parse("0 0 31 2 mon").is_ok());
}

#[test]
fn spring_forward() {
    // New York: 2026-03-08 02:00 EST = 07:00 UTC becomes 03:00 EDT.
    let ny = Tz::America__New_York;
    let eve = "2026-03-07T12:00:00Z";
    assert_eq!(runs("30 2 * * *", ny, eve, 3), ["03-08 07:00", "03-09 06:30", "03-10 06:30"]);
    assert_eq!(runs("0,30 2 * * *", ny, eve, 3), ["03-08 07:00", "03-09 06:00", "03-09 06:30"]);
    assert_eq!(runs("0 3 * * *", ny, eve, 2), ["03-08 07:00", "03-09 07:00"]);
    assert_eq!(runs("30 * * * *", ny, "2026-03-08T06:00:00Z", 3), ["03-08 06:30", "03-08 07:30", "03-08 08:30"]);
    assert_eq!(runs("*/20 2 * * *", ny, eve, 2), ["03-09 06:00", "03-09 06:20"]);
    // Berlin: 2026-03-29 02:00 CET = 01:00 UTC becomes 03:00 CEST.
    let berlin = Tz::Europe__Berlin;
    assert_eq!(runs("15 2 * * *", berlin, "2026-03-28T12:00:00Z", 2), ["03-29 01:00", "03-30 00:15"]);
}

#[test]
fn fall_back() {
    // Berlin: 2026-10-25 03:00 CEST = 01:00 UTC becomes 02:00 CET.
    let berlin = Tz::Europe__Berlin;
    let eve = "2026-10-24T12:00:00Z";
    assert_eq!(runs("30 2 * * *", berlin, eve, 2), ["10-25 00:30", "10-26 01:30"]);
    assert_eq!(
        runs("30 * * * *", berlin, "2026-10-24T23:00:00Z", 4),
        ["10-24 23:30", "10-25 00:30", "10-25 01:30", "10-25 02:30"]
    );
    assert_eq!(
        runs("*/30 2 * * *", berlin, eve, 5),
        ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30", "10-26 01:00"]
    );
    // New York: 2026-11-01 02:00 EDT = 06:00 UTC becomes 01:00 EST.
    let ny = Tz::America__New_York;
    assert_eq!(runs("0 1 * * *", ny, "2026-10-31T12:00:00Z", 2), ["11-01 05:00", "11-02 06:00"]);
}

#[test]
fn zones_and_month_ends() {
    let bogota = Tz::America__Bogota;
    assert_eq!(runs("0 0 1 * *", bogota, "2026-01-31T00:00:00Z", 2), ["02-01 05:00", "03-01 05:00"]);
    let kolkata = Tz::Asia__Kolkata;
    assert_eq!(runs("0 0 28-31 2 *", kolkata, "2028-02-28T00:00:00Z", 2), ["02-28 18:30", "02-27 18:30"]);
}

#[test]
fn a_skipped_day_is_made_up_once() {
    // Samoa had no 2011-12-30.
    let apia = Tz::Pacific__Apia;
    assert_eq!(runs("0 12 * * *", apia, "2011-12-29T00:00:00Z", 3), ["12-29 22:00", "12-30 10:00", "12-30 22:00"]);
}

#[test]
fn periods() {
    let from = "2026-01-01T00:00:00Z".parse().unwrap();
    let period = |s| Schedule::parse(s).unwrap().period(from, Tz::UTC);
    assert_eq!(period("15m"), Some(900));
    assert_eq!(period("0 */4 * * *"), Some(14_400));
    assert_eq!(period("@daily"), Some(86_400));
    assert_eq!(period("0 0 1 * *"), Some(28 * 86_400));
}
