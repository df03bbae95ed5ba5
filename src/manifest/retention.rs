//! `[retention]`.

use super::names::check_name;
use super::report::Report;
use super::section::Section;
use crate::state::Retention;

/// A thousand years, in seconds: before that PostgreSQL's calendar ends somewhere.
const LONGEST: u64 = 1_000 * 365 * 86_400;

/// Which rows of a mart are kept; `None` where nothing is said, or too little to mean something.
pub(super) fn read(section: &Section<'_>, report: &mut Report) -> Option<Retention> {
    let column = section.text("column");
    if let Some(column) = &column {
        check_name(column, section.span("column"), &section.path("column"), report);
    }
    let keep = section.duration("keep")?;
    if keep == 0 || keep > LONGEST {
        let (message, help) = match keep {
            0 => ("nothing is kept", "say how long, for example `keep = \"90 days\"`"),
            _ => ("this is longer than a thousand years", "leave `[retention]` out to keep every row"),
        };
        report.error(section.span("keep"), section.path("keep"), message, help);
    }
    Some(Retention { column: column?, keep })
}
