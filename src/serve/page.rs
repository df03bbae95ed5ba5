//! `GET /`: the marts, for people. One page, with nothing from elsewhere.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::ask::{Answer, Ask};
use super::look::Look;
use super::marts::{due, statuses};
use super::problem::Problem;
use super::scheduler::leadership;
use crate::observe::{Freshness, MartStatus};
use crate::reconcile::Vitals;
use crate::state::{format_duration, thousands};

const STYLE: &str = include_str!("page.css");

/// The page.
pub(super) async fn page(ask: &Ask) -> Result<Answer, Problem> {
    let mut session = ask.state.pool.session().await?;
    let done = async {
        let look = Look::at(ask, &mut session).await?;
        let mut marts = statuses(&mut session, &look).await?;
        due(ask, &mut marts);
        Ok((look, marts))
    }
    .await;
    let (look, marts) = session.after(done).await?;
    let vitals = ask.state.vitals.borrow().clone();
    let html = html(&look.desired.project.name, &marts, &vitals, look.now);
    Ok(Answer::text("text/html; charset=utf-8", html))
}

fn html(project: &str, marts: &[MartStatus], vitals: &Vitals, now: DateTime<Utc>) -> String {
    let mut rows = String::new();
    for mart in marts {
        // Writing into a text does not fail.
        let _ = write!(rows, "<tr>{}</tr>", cells(mart).concat());
    }
    if marts.is_empty() {
        rows.push_str("<tr><td colspan=\"9\">No marts.</td></tr>");
    }
    let head = ["mart", "type", "status", "freshness", "age", "rows", "size", "last run", "next run"];
    let head: String = head.iter().map(|word| format!("<th>{word}</th>")).collect();
    let notes: String = [vitals.trouble.as_deref(), vitals.paused.as_deref()]
        .into_iter()
        .flatten()
        .map(|note| format!("<p class=\"warning\">{}</p>", escaped(note)))
        .collect();
    let (project, at, leads) = (escaped(project), moment(now), leadership(vitals));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"refresh\" content=\"30\"><title>{project} · datamart</title><style>{STYLE}</style></head><body>\
         <h1>{project}</h1><p>{} marts at {at}; this daemon is {leads}; {} running, {} waiting.</p>{notes}\
         <table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>\
         <p><a href=\"/api/v1/openapi.json\">API</a> · <a href=\"/metrics\">metrics</a></p></body></html>\n",
        marts.len(),
        vitals.running,
        vitals.queue_depth,
    )
}

fn cells(mart: &MartStatus) -> Vec<String> {
    let cell = |text: &str| format!("<td>{}</td>", escaped(text));
    let number = |text: Option<String>| format!("<td class=\"number\">{}</td>", escaped(&text.unwrap_or_else(dash)));
    let freshness = mart.freshness.map_or("-", Freshness::as_str);
    let rows = mart.row_count.map(|rows| format!("{}{}", if mart.estimated { "~" } else { "" }, thousands(rows)));
    let run = mart.last_run.as_ref().map_or_else(dash, |run| {
        let took = run.duration_ms.map_or_else(String::new, |ms| format!(" in {:.1} s", ms / 1_000.0));
        let why = run.error_message().map_or_else(String::new, |why| format!(": {why}"));
        format!("{} {}{took}{why}", moment(run.started_at), run.status)
    });
    let title = escaped(mart.description.as_deref().unwrap_or_default());
    vec![
        format!("<td title=\"{title}\">{}</td>", escaped(&mart.full_name)),
        cell(mart.kind.as_str()),
        format!("<td class=\"{0}\">{0}</td>", mart.status.as_str()),
        format!("<td class=\"{0}\">{0}</td>", freshness),
        number(mart.age_seconds.map(|age| format_duration(u64::try_from(age).unwrap_or_default()))),
        number(rows),
        number(mart.size.clone()),
        cell(&run),
        cell(&mart.next_run.map_or_else(dash, moment)),
    ]
}

fn dash() -> String {
    "-".to_owned()
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Text in HTML, in an attribute too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let html =
            html("<script>", &[], &Vitals { trouble: Some("a & \"b\"".to_owned()), ..Vitals::default() }, Utc::now());
        assert!(html.contains("<h1>&lt;script&gt;</h1>") && html.contains("a &amp; &quot;b&quot;"), "{html}");
        assert!(!html.contains("<script"));
    }
}
