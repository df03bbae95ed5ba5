//! A plan, in the form that was asked for.

use datamart::plan::Plan;
use serde_json::{Value, json};

use super::super::Exit;
use super::super::args::Format;
use super::super::print::{self, Style};
use super::plan_words::allowing;
use super::{plan_markdown, plan_text};

/// Prints a refused plan whole, with the flag that would allow it.
pub fn refused(plan: &Plan, style: Style) -> Exit {
    show(plan, style);
    Exit::Failed
}

/// Prints it on stdout.
pub fn show(plan: &Plan, style: Style) {
    match style.format {
        Format::Text => print::out(&plan_text::text(plan, style.out_color)),
        Format::Json => print::json(&json(plan)),
        Format::Markdown => print::out(&plan_markdown::markdown(plan)),
    }
}

/// For programs: the plan, with `error` where it is refused.
pub fn json(plan: &Plan) -> Value {
    let mut value = serde_json::to_value(plan).unwrap_or_else(|error| json!({ "error": error.to_string() }));
    if let (Some(object), false) = (value.as_object_mut(), plan.refused.is_empty()) {
        let messages: Vec<String> = plan.refused.iter().map(|r| format!("{}: {}", r.address, r.message)).collect();
        object.insert(
            "error".to_owned(),
            json!({
                "kind": "refused",
                "message": messages.join("; "),
                "file": null,
                "line": null,
                "column": null,
                "hint": allowing(&plan.refused),
                "problems": [],
            }),
        );
    }
    value
}

#[cfg(test)]
pub(super) mod sample {
    //! A plan with one of everything.

    use datamart::plan::Plan;
    use serde_json::json;

    pub fn plan() -> Plan {
        let value = json!({
            "format_version": "1.0", "created_at": "2026-03-01T12:00:00Z", "revision": "main@sha1:0123456789012345678901234567890123456789",
            "project": "shop", "database": "shop on db:5432", "fingerprint": format!("sha256:{}", "ab".repeat(32)),
            "summary": { "add": 1, "change": 0, "replace": 1, "destroy": 1, "destructive": 1 },
            "changes": [
                { "address": "public.sales", "type": "materialized_view", "action": "replace", "reason": "query changed",
                  "before": {}, "after": {}, "diff": "--- query (now)\n+++ query (declared)\n@@ -1 +1 @@\n-SELECT 1\n+SELECT 2\n",
                  "hazards": [{ "type": "REBUILDS_DATA", "message": "public.sales is computed anew (about 10 rows now)" }],
                  "file": "datamarts/sales.toml", "origins": { "schema": "project.toml" } },
                { "address": "public.\"Sales 2024\"", "type": "table", "action": "create", "reason": "new",
                  "before": null, "after": {}, "diff": "", "hazards": [], "file": "datamarts/sales_2024.toml" },
                { "address": "public.old", "type": "view", "action": "delete", "reason": "no manifest declares it any more (old.toml)",
                  "before": {}, "after": null, "diff": "--- definition (now)\n+++ nothing\n@@ -1 +0,0 @@\n-SELECT 3\n",
                  "hazards": [{ "type": "DELETES_DATA", "message": "every table it read is empty" }], "file": null },
            ],
            "drift": [{ "address": "public.daily", "type": "view", "aspect": "owner", "message": "owner was changed",
                        "expected": "mart_owner", "actual": "ana", "diff": "--- as applied\n+++ in the database\n@@ -1 +1 @@\n-mart_owner\n+ana\n" }],
            "orphans": [{ "address": "public.gone", "type": "table", "file": "gone.toml", "prevent_destroy": true }],
            "steps": [
                { "transaction": 1, "sql": "CREATE TABLE public.\"Sales 2024\" AS\nSELECT 1", "lock_timeout_ms": 3000, "statement_timeout_ms": 0,
                  "mart": "public.\"Sales 2024\"", "role": "mart_owner", "settings": [["search_path", "public"], ["TimeZone", "UTC"]] },
                { "transaction": 1, "sql": "DROP VIEW public.old", "lock_timeout_ms": 100, "statement_timeout_ms": 0, "mart": "public.old" },
                { "transaction": null, "sql": "CREATE INDEX CONCURRENTLY i ON public.sales (a)", "lock_timeout_ms": 0, "statement_timeout_ms": 0, "mart": "public.sales" },
            ],
            "records": [], "reads": [], "marts": 12,
            "refused": [{ "address": "public.old", "hazard": "DELETES_DATA", "message": "every table it read is empty", "allowable": true }],
        });
        serde_json::from_value(value).unwrap()
    }

    pub fn empty() -> Plan {
        let mut plan = plan();
        plan.changes.clear();
        plan.steps.clear();
        plan.drift.clear();
        plan.orphans.clear();
        plan.refused.clear();
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_the_contracts() {
        let refused = json(&sample::plan());
        assert_eq!(refused["error"]["hint"], "--allow DELETES_DATA");
        assert_eq!(refused["changes"][0]["action"], "replace");
        assert_eq!(refused["changes"][0]["hazards"][0]["type"], "REBUILDS_DATA");
        assert_eq!(refused["steps"][2]["transaction"], Value::Null);
        assert_eq!(refused["summary"]["destructive"], 1);
        assert!(json(&sample::empty()).get("error").is_none());
    }

    #[test]
    fn what_cannot_be_allowed_has_no_flag() {
        let mut plan = sample::plan();
        plan.refused[0].allowable = false;
        assert_eq!(allowing(&plan.refused), None);
        assert_eq!(allowing(&[]), None);
    }
}
