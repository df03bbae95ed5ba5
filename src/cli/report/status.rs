//! `status`, for people.

use datamart::observe::{Condition, MartState, MartStatus, Standing};

use super::super::print::Style;
use super::mart::{age, dash, moment, none, partitioned, pending, rows};
use super::paint::Paint;
use super::table::{LAST, short, table};

/// How many digits of a fingerprint are shown to be typed.
const DIGITS: usize = 12;

/// A column: its title, and what it says of a mart.
type Column = (&'static str, fn(&MartStatus) -> String);

/// The columns; those after the first four are left out where they say nothing of any mart.
const COLUMNS: &[Column] = &[
    ("mart", |mart| mart.full_name.clone()),
    ("type", |mart| mart.kind.as_str().to_owned()),
    ("status", |mart| mart.status.as_str().to_owned()),
    ("freshness", |mart| mart.freshness.map_or_else(dash, |f| f.as_str().to_owned())),
    ("data age", |mart| mart.ages.and_then(|ages| ages.data).map_or_else(dash, age)),
    ("snapshot age", |mart| mart.ages.and_then(|ages| ages.snapshot).map_or_else(dash, age)),
    ("run age", |mart| mart.ages.and_then(|ages| ages.run).map_or_else(dash, age)),
    ("target lag", |mart| mart.target_lag_seconds.map_or_else(dash, |lag| age(i64::try_from(lag).unwrap_or(i64::MAX)))),
    ("pending", |mart| mart.following.as_ref().map_or_else(dash, pending)),
    ("partitions", |mart| mart.partitioned.as_ref().map_or_else(dash, partitioned)),
    ("rows", rows),
    ("size", |mart| mart.size.clone().unwrap_or_else(dash)),
    ("last run", |mart| mart.last_run.as_ref().map_or_else(dash, |run| run.status.clone())),
    ("next run", |mart| match mart.suspended {
        true => "suspended".to_owned(),
        false => mart.next_run.map_or_else(dash, moment),
    }),
];

/// One row per mart, and what is wrong below.
pub fn marts(marts: &[MartStatus], style: Style) -> String {
    if marts.is_empty() {
        return none();
    }
    let says = |(at, (_, cell)): (usize, &Column)| at < 4 || marts.iter().any(|mart| cell(mart) != dash());
    let columns: Vec<&Column> = COLUMNS.iter().enumerate().filter(|column| says(*column)).map(|(_, c)| c).collect();
    let header: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
    let lines = marts.iter().map(|mart| columns.iter().map(|(_, cell)| cell(mart)).collect());
    let right = ["data age", "snapshot age", "run age", "target lag", "pending", "rows", "size"];
    let mut text = table(&header, &right, lines.collect());
    let wrong: String = marts.iter().flat_map(told).collect();
    if !wrong.is_empty() {
        text.push('\n');
        text.push_str(&Paint(style.out_color).yellow(&wrong));
    }
    text
}

/// What is to be known of a mart beside its row.
fn told(mart: &MartStatus) -> Vec<String> {
    let name = &mart.full_name;
    let wrong = mart.conditions.iter().filter(|condition| matters(mart, condition));
    let mut lines: Vec<String> = wrong.map(|condition| format!("{name}: {}\n", condition.message)).collect();
    let demoted = mart.following.as_ref().and_then(|following| following.demoted.as_ref());
    lines.extend(demoted.map(|why| format!("{name}: does not follow what changes any more: {why}\n")));
    lines.extend(mart.suspended_by.as_ref().map(|who| format!("{name}: suspended by {who}\n")));
    lines.extend(mart.rescheduled.as_ref().map(|found| {
        format!("{name}: refreshed {} until its file changes, as {} said\n", found.schedule.join(", "), found.who)
    }));
    lines
}

fn matters(mart: &MartStatus, condition: &Condition) -> bool {
    let creating = mart.status == MartState::Creating;
    match condition.kind {
        "Ready" => condition.status == "False" && !creating,
        "Reconciling" => condition.status == "False",
        kind => kind == "Stalled",
    }
}

/// How the project stands to its manifests.
pub fn standing(standing: &Standing, style: Style) -> String {
    let paint = Paint(style.out_color);
    let mut text = String::from("\n");
    let at = |at: Option<_>| at.map_or_else(String::new, |at| format!(" at {}", moment(at)));
    if let Some(applied) = &standing.applied {
        text.push_str(&format!("Applied: {}{}\n", revision(applied), at(standing.applied_at)));
    }
    if standing.status != "applied" {
        let attempted = standing.attempted.as_deref().map_or_else(|| "the manifests".to_owned(), revision);
        text.push_str(&format!("Attempted: {attempted}{}\n", at(standing.attempted_at)));
    }
    for condition in &standing.conditions {
        // What is stalled is not ready, for the same reason.
        if condition.kind == "Stalled" {
            continue;
        }
        let line = format!(
            "{}: {} ({}){}\n",
            condition.kind,
            condition.status,
            condition.reason,
            match condition.message.as_str() {
                "" => String::new(),
                message => format!(": {message}"),
            }
        );
        text.push_str(&if condition.status == "False" { paint.yellow(&line) } else { line });
    }
    // Warnings stand among them, and refuse nothing.
    let problems = standing.problems.iter().filter_map(|problems| problems.as_array()).flatten();
    for problem in problems.filter(|problem| problem["severity"] != "warning") {
        text.push_str(&format!("  {}\n", place(problem)));
    }
    if let Some(fingerprint) = standing
        .fingerprint
        .as_ref()
        .filter(|_| !standing.approved && standing.reason.as_deref() == Some("ApprovalNeeded"))
    {
        let digits: String = fingerprint.trim_start_matches("sha256:").chars().take(DIGITS).collect();
        text.push_str(&format!(
            "The plan {fingerprint} waits: `datamart approve {digits}` lets the daemon apply it.\n"
        ));
    }
    for drift in &standing.drift {
        text.push_str(&paint.yellow(&format!("Drift: {}: {}\n", drift.address, drift.message)));
    }
    text
}

/// A revision with as many digits as people read.
fn revision(revision: &str) -> String {
    match revision.rsplit_once(':') {
        Some((before, hash)) => format!("{before}:{}", hash.chars().take(DIGITS).collect::<String>()),
        None => revision.to_owned(),
    }
}

/// `file:line:column: message`.
fn place(problem: &serde_json::Value) -> String {
    let file = problem["file"].as_str().unwrap_or_default();
    let numbers = [&problem["line"], &problem["column"]].map(|number| number.as_u64());
    let place: String = numbers.iter().flatten().map(|number| format!(":{number}")).collect();
    short(&format!("{file}{place}: {}", problem["message"].as_str().unwrap_or_default()), LAST * 2)
}
