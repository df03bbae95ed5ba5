//! What `project.toml` and the operator's file say about operation.

use chrono::NaiveTime;
use chrono_tz::Tz;

use super::environment::{Environment, expand, has_password};
use super::names::check_name;
use super::operation::{HttpConfig, MaintenanceWindow, Notification, PauseWhen};
use super::refresh::timezone;
use super::report::Report;
use super::section::Section;

/// Events that are told where a notification does not say which: all but that every refresh went well.
const UNLESS_SAID: &[&str] = &["refresh_failed", "check_failed", "drift", "stale", "slow", "recovered"];

/// A part of an address that is longer than this and has a digit in it is taken for a token.
const SHORT: usize = 16;

/// `[maintenance_window]`; `None` where it is not declared, or not so that it means something.
pub(super) fn window(section: &Section<'_>, project_zone: &str, report: &mut Report) -> Option<MaintenanceWindow> {
    let (start, end) = (clock(section, "start", report), clock(section, "end", report));
    let zone = timezone(section, report).unwrap_or_else(|| project_zone.to_owned());
    let (start, end, zone) = (start?, end?, zone.parse::<Tz>().ok()?);
    if start == end {
        let help = "leave the section out where refreshes may block readers at any time";
        report.error(section.span("end"), section.path("end"), "the window ends when it begins", help);
        return None;
    }
    let allow_blocking = section.bool("allow_blocking").unwrap_or(true);
    Some(MaintenanceWindow { start, end, timezone: zone, allow_blocking })
}

/// A time of day; 24:00 is the next day's begin.
fn clock(section: &Section<'_>, key: &str, report: &mut Report) -> Option<NaiveTime> {
    let text = section.str(key)?;
    let written = if key == "end" && text == "24:00" { "00:00" } else { text };
    let time = NaiveTime::parse_from_str(written, "%H:%M").ok();
    if time.is_none() {
        let message = format!("{text:?} is not a time of day");
        report.error(section.span(key), section.path(key), message, format!("write for example `{key} = \"02:00\"`"));
    }
    time
}

/// `[limits] pause_when`.
pub(super) fn pause(section: &Section<'_>) -> PauseWhen {
    PauseWhen {
        xmin_age: section.integer("xmin_age"),
        replica_lag: section.duration("replica_lag"),
        active_backends: section.integer("active_backends"),
    }
}

/// `[http]`.
pub(super) fn http(section: &Section<'_>, report: &mut Report) -> HttpConfig {
    let read_role = section.text("read_role");
    if let Some(role) = &read_role {
        check_name(role, section.span("read_role"), &section.path("read_role"), report);
    }
    HttpConfig { read_role }
}

/// `[[notifications]]`. An address that cannot be had is told about; the notification stays, and tells nobody.
pub(super) fn notifications(root: &Section<'_>, environment: &Environment, report: &mut Report) -> Vec<Notification> {
    root.sections("notifications")
        .iter()
        .map(|section| {
            let on = match section.has("on") {
                true => section.names("on"),
                false => UNLESS_SAID.iter().map(|&event| event.to_owned()).collect(),
            };
            if section.has("on") && section.items("on").is_empty() {
                let help = "name an event, or leave `on` out";
                report.error(section.span("on"), section.path("on"), "the list of events is empty", help);
            }
            Notification { url: address(section, environment, report), on }
        })
        .collect()
}

fn address(section: &Section<'_>, environment: &Environment, report: &mut Report) -> Option<String> {
    let text = section.str("url")?;
    let (span, path) = (section.span("url"), section.path("url"));
    let help = "write for example `url = \"${ALERT_WEBHOOK}\"`";
    if has_password(text) || has_token(text) {
        let message = "a secret stands in this file";
        let help = "take it from the environment: \"https://host/${TOKEN}\", or \"${ALERT_WEBHOOK}\"";
        report.warning(span.clone(), path.as_str(), message, help);
    }
    match expand(text, environment) {
        Ok(url) if is_http(&url) => Some(url),
        Ok(_) if text.contains("${") => {
            // What the environment says is a secret, and another machine's may be right.
            let message = "what the environment gives is no address of http:// or https://: nobody is told";
            report.warning(span, path, message, "change the variable, or set it");
            None
        }
        Ok(_) => {
            report.error(span, path, "this is no address of http:// or https://", help);
            None
        }
        Err(unset) => {
            let plural = if unset.len() == 1 { "is" } else { "are" };
            let message = format!("{} {plural} not set in the environment: nobody is told", unset.join(", "));
            report.warning(span, path, message, "set it where the daemon runs");
            None
        }
    }
}

fn is_http(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

/// Whether a literal part of the path or the query looks like a token.
fn has_token(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    rest.split(['/', '?', '&', '=']).skip(1).any(|part| {
        part.len() > SHORT
            && !part.contains("${")
            && part.chars().any(|c| c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_addresses_are_found() {
        for url in
            ["https://hooks.example.com/services/T0/B0/aBcD3fGhIjKlMnOpQrSt", "http://h/hook?token=0123456789abcdef0"]
        {
            assert!(has_token(url), "{url}");
        }
        for url in
            ["https://h/services/${TOKEN}", "http://localhost:8080/hook", "http://h/a-rather-long-word-it-is", "${U}"]
        {
            assert!(!has_token(url), "{url}");
        }
        assert!(is_http("https://h/x") && is_http("http://h") && !is_http("https://") && !is_http("ftp://h"));
    }
}
