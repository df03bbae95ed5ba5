//! Runs and locks, for people.

use datamart::database::lock::Holder;
use datamart::observe::PastRun;
use datamart::refresh::Run;

use super::super::print::Style;
use super::findings::findings;
use super::mart::{dash, moment};
use super::paint::Paint;
use super::seconds;
use super::table::{LAST, short, table as lines};
use datamart::state::thousands;

/// `history`: one row per run, newest first.
pub fn history(runs: &[PastRun], _style: Style) -> String {
    if runs.is_empty() {
        return "No runs.\n".to_owned();
    }
    let rows = runs.iter().map(|run| {
        let why = run.error_message().or(run.reason.as_deref()).unwrap_or_default();
        vec![
            run.run.to_string(),
            run.mart.clone(),
            run.method.clone().unwrap_or_else(dash),
            run.status.clone(),
            moment(run.started_at),
            run.duration_ms.map_or_else(dash, seconds),
            run.row_count.map_or_else(dash, thousands),
            short(why, LAST),
        ]
    });
    let header = ["run", "mart", "method", "status", "started", "took", "rows", "why"];
    lines(&header, &["run", "took", "rows"], rows.collect())
}

/// `refresh`: one row per run, in the order they ended.
pub fn table(runs: &[Run], style: Style) -> String {
    let rows = runs.iter().map(|run| {
        let why = run.error.as_ref().map_or(run.reason.as_str(), |error| error.message.as_str());
        let changed = changed([run.rows_inserted, run.rows_updated, run.rows_deleted]);
        vec![
            run.mart.clone(),
            run.status.as_str().to_owned(),
            run.method.map_or_else(dash, |method| method.as_str().to_owned()),
            run.row_count.map_or_else(dash, thousands),
            changed,
            seconds(run.duration_ms),
            short(why, LAST),
        ]
    });
    let mut text =
        lines(&["mart", "status", "method", "rows", "changed", "took", "why"], &["rows", "took"], rows.collect());
    for (run, error) in runs.iter().filter_map(|run| Some((run, run.error.as_ref()?))) {
        // What did not fit beside the others stands below them, whole.
        if short(&error.message, LAST) != error.message {
            text.push_str(&format!("{}: {}: {}\n", Paint(style.out_color).red("error"), run.mart, error.message));
        }
    }
    for run in runs {
        text.push_str(&findings(&run.checks, style.out_color));
    }
    let hints = runs.iter().filter_map(|run| Some((run, run.error.as_ref()?.hint.as_ref()?)));
    for (run, hint) in hints {
        text.push_str(&format!("{}: {}: {hint}\n", Paint(style.out_color).cyan("help"), run.mart));
    }
    text
}

/// Rows that came, became others and went, as far as that is known.
fn changed(rows: [Option<i64>; 3]) -> String {
    let known = ["+", "~", "-"].iter().zip(rows).filter_map(|(sign, rows)| Some(format!("{sign}{}", thousands(rows?))));
    let known: Vec<String> = known.collect();
    if known.is_empty() { dash() } else { known.join(" ") }
}

/// `unlock`: one row per lock.
pub fn locks(holders: &[Holder], _style: Style) -> String {
    if holders.is_empty() {
        return "Nobody holds a lock.\n".to_owned();
    }
    let told = |text: &Option<String>| text.clone().unwrap_or_else(dash);
    let rows = holders.iter().map(|holder| {
        vec![
            holder.pid.to_string(),
            told(&holder.name),
            told(&holder.project),
            told(&holder.host),
            told(&holder.application),
            holder.since.map_or_else(dash, moment),
        ]
    });
    lines(&["pid", "lock", "project", "host", "application", "since"], &["pid"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn what_is_not_known_is_not_told() {
        assert_eq!(changed([Some(1_200), Some(0), Some(3)]), "+1,200 ~0 -3");
        assert_eq!(changed([Some(7), None, None]), "+7");
        assert_eq!(changed([None; 3]), "-");
    }
}
