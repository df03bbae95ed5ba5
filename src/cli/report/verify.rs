//! What comparing marts with their queries found, for people.

use std::fmt::Write as _;

use datamart::refresh::Verified;
use datamart::state::thousands;
use serde_json::Value;

use super::super::error::count;
use super::super::print::Style;
use super::paint::Paint;
use super::table::table;

/// One row per mart, then some of the rows that differ.
pub fn text(found: &[Verified], style: Style) -> String {
    let paint = Paint(style.out_color);
    let rows = found.iter().map(|found| {
        let waiting = found.pending_keys.map_or_else(|| "-".to_owned(), |keys| thousands(keys as i64));
        vec![
            found.mart.clone(),
            if found.same { "same" } else { "differs" }.to_owned(),
            thousands(found.rows),
            thousands(found.expected),
            thousands(found.missing),
            thousands(found.extra),
            waiting,
        ]
    });
    let titles = ["mart", "result", "rows", "expected", "missing", "extra", "keys waiting"];
    let mut text = table(&titles, &titles[2..], rows.collect());
    for found in found.iter().filter(|found| !found.same) {
        for (word, sample, of) in
            [("missing", &found.missing_sample, found.missing), ("extra", &found.extra_sample, found.extra)]
        {
            shown(&mut text, (&found.mart, word), sample, of);
        }
    }
    for found in found {
        if let Some(rows) = found.last_digits {
            let rows = count(usize::try_from(rows).unwrap_or(usize::MAX), "row");
            let _ = writeln!(text, "{}: {rows} with other last digits of floating-point numbers", found.mart);
        }
    }
    for found in found.iter().filter(|found| found.sample.is_some() && found.rows == 0 && found.expected == 0) {
        let _ = writeln!(text, "{}: nothing was compared: the sample holds none of its keys", found.mart);
    }
    let wrong = found.iter().filter(|found| !found.same).count();
    let mut line = match wrong {
        0 => format!("{} as the query says.", count(found.len(), "mart")),
        wrong => format!("{} of {} not as the query says.", wrong, count(found.len(), "mart")),
    };
    let left_out: u64 = found.iter().filter_map(|found| found.pending_keys).sum();
    if left_out > 0 {
        let rows = count(usize::try_from(left_out).unwrap_or(usize::MAX), "key");
        let _ = write!(line, " Left out: the rows of {rows} that wait for a refresh.");
    }
    let _ = writeln!(text, "{}", paint.bold(&line));
    text
}

fn shown(text: &mut String, (mart, word): (&str, &str), sample: &[Value], of: i64) {
    for row in sample {
        let _ = writeln!(text, "{mart}, {word}: {row}");
    }
    let more = of - i64::try_from(sample.len()).unwrap_or_default();
    if more > 0 && !sample.is_empty() {
        let _ = writeln!(text, "{mart}, {word}: {} more", thousands(more));
    }
}
