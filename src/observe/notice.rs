//! What somebody who asked for it is told, and in which words.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

/// What `[[notifications]] on` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Occasion {
    /// A refresh failed.
    RefreshFailed,
    /// A check of its rows did not pass.
    CheckFailed,
    /// Somebody changed it by hand.
    Drift,
    /// Its data is too old.
    Stale,
    /// A refresh took longer than `warn_duration`.
    Slow,
    /// It has new data.
    Refreshed,
    /// What was told of it before is over.
    Recovered,
}

impl Occasion {
    /// The word manifests use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefreshFailed => "refresh_failed",
            Self::CheckFailed => "check_failed",
            Self::Drift => "drift",
            Self::Stale => "stale",
            Self::Slow => "slow",
            Self::Refreshed => "refreshed",
            Self::Recovered => "recovered",
        }
    }
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What happened.
    pub occasion: Occasion,
    /// The mart: schema and name, quoted where needed.
    pub mart: String,
    /// In one line, for people.
    pub text: String,
    /// The same for programs.
    pub facts: Map<String, Value>,
}

impl Notice {
    /// What is sent: `text` as Slack and its like show it, and everything else beside it.
    pub fn body(&self, project: &str, at: DateTime<Utc>) -> Value {
        let text = self.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let mut body = json!({
            "text": format!("[{project}] {text}"),
            "event": self.occasion.as_str(),
            "project": project,
            "datamart": self.mart,
            "at": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        });
        if let Value::Object(body) = &mut body {
            body.extend(self.facts.clone());
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_programs_are_told() {
        let facts = json!({ "run": 7 }).as_object().cloned().unwrap_or_default();
        let text = "public.sales failed: a < b & c".to_owned();
        let notice = Notice { occasion: Occasion::RefreshFailed, mart: "public.sales".to_owned(), text, facts };
        let at = DateTime::from_timestamp_millis(1_700_000_000_250).unwrap_or_default();
        assert_eq!(
            notice.body("shop", at),
            json!({
                "text": "[shop] public.sales failed: a &lt; b &amp; c", "event": "refresh_failed", "project": "shop",
                "datamart": "public.sales", "at": "2023-11-14T22:13:20.250Z", "run": 7,
            })
        );
    }
}
