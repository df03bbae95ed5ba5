//! A plan, for people.

use datamart::plan::{Action, Change, HazardKind, Plan, RecordRow, Refusal, Step};
use datamart::state::{Incremental, IncrementalMethod, quote_ident, quote_literal};

use super::paint::Paint;
use super::plan_words::{allowing, check, summary};

/// One block per mart, then the SQL, drift, orphans, what is refused, and the summary line.
pub fn text(plan: &Plan, color: bool) -> String {
    let paint = Paint(color);
    let mut text = String::new();
    if !plan.is_empty() {
        let revision = plan.revision.as_ref().map(|r| format!(", {r}")).unwrap_or_default();
        text.push_str(&format!("Project {}, database {}{revision}\n\n", plan.project, paint.bold(&plan.database)));
    }
    for change in &plan.changes {
        text.push_str(&block(change, plan, paint));
        text.push('\n');
    }
    text.push_str(&sql(&plan.steps, paint));
    text.push_str(&drift(plan, paint));
    text.push_str(&orphans(plan, paint));
    text.push_str(&leftovers(plan, paint));
    text.push_str(&refused(&plan.refused, paint));
    text.push_str(&paint.bold(&summary(plan)));
    text.push('\n');
    text
}

fn block(change: &Change, plan: &Plan, paint: Paint) -> String {
    let symbol = colored(change.action, change.action.symbol(), paint);
    let address = paint.bold(&change.address);
    let mut block = format!("{symbol} {address} ({}): {}\n", change.kind.as_str(), change.reason);
    if let Some(file) = &change.file {
        block.push_str(&paint.dim(&format!("    {file}")));
        block.push('\n');
    }
    block.push_str(&paint.diff(&change.diff, "    "));
    for hazard in &change.hazards {
        let refused = plan.refused.iter().any(|r| r.address == change.address && r.hazard == hazard.kind);
        let word = match refused {
            true => paint.red(hazard.kind.as_str()),
            false => paint.yellow(hazard.kind.as_str()),
        };
        block.push_str(&format!("    ! {word}: {}\n", hazard.message));
    }
    if change.action != Action::Delete {
        for line in followed(change, plan) {
            block.push_str(&paint.dim(&format!("    {line}")));
            block.push('\n');
        }
        if let Some(said) = partly(change).filter(|said| said.method != IncrementalMethod::Changes) {
            block.push_str(&paint.dim(&format!("    refreshed in part: {said}")));
            block.push('\n');
        }
        for (key, origin) in &change.origins {
            block.push_str(&paint.dim(&format!("    {key} from {origin}")));
            block.push('\n');
        }
    }
    block
}

/// What a mart that follows changes follows, by which columns, and what of it may be other each time.
fn followed(change: &Change, plan: &Plan) -> Vec<String> {
    let changes = plan.records.iter().filter(|record| record.of().to_string() == change.address);
    let mut changes = changes.filter_map(|record| match &record.row {
        RecordRow::Upsert { changes, .. } => changes.as_deref(),
        _ => None,
    });
    let Some(changes) = changes.next_back() else { return Vec::new() };
    let sources: Vec<String> = changes.sources.iter().map(|source| source.table.to_string()).collect();
    let key: Vec<&str> = changes.key.iter().map(|key| key.name.as_str()).collect();
    let mut lines = vec![format!("refreshed in part: what changes in {}, by {}", sources.join(", "), key.join(", "))];
    let whole = changes.sources.iter().filter(|source| source.affected.is_none());
    lines.extend(whole.map(|source| format!("a change of {} means all rows", source.table)));
    lines.extend(changes.doubts.iter().map(|doubt| format!("warning: {doubt}")));
    lines
}

/// How a refresh of the mart computes some of its rows.
fn partly(change: &Change) -> Option<Incremental> {
    serde_json::from_value(change.after.get("refresh")?.get("incremental")?.clone()).ok()
}

fn colored(action: Action, text: &str, paint: Paint) -> String {
    match action {
        Action::Create => paint.green(text),
        Action::Update | Action::Rename | Action::Replace | Action::Publish => paint.yellow(text),
        Action::Delete => paint.red(text),
    }
}

/// The statements, by transaction.
fn sql(steps: &[Step], paint: Paint) -> String {
    let mut text = String::new();
    let mut open = None;
    let mut role: Option<&str> = None;
    let mut settings: &[(String, String)] = &[];
    for step in steps {
        if open != step.transaction || step.transaction.is_none() {
            if open.is_some() {
                text.push_str("  COMMIT;\n");
            }
            let title = match step.transaction {
                Some(number) => format!("Transaction {number}"),
                None => "Outside transactions".to_owned(),
            };
            text.push_str(&format!("{}\n", paint.bold(&title)));
            if step.transaction.is_some() {
                text.push_str("  BEGIN;\n");
            }
            (open, role, settings) = (step.transaction, None, &[]);
        }
        let set = if step.transaction.is_some() { "SET LOCAL" } else { "SET" };
        if role != step.role.as_deref() {
            role = step.role.as_deref();
            let line = match role {
                Some(role) => format!("  {set} ROLE {};\n", quote_ident(role)),
                None => "  RESET ROLE;\n".to_owned(),
            };
            text.push_str(&paint.dim(&line));
        }
        if settings != step.settings.as_slice() {
            for (key, value) in &step.settings {
                text.push_str(&paint.dim(&format!("  {set} {key} = {};\n", setting(key, value))));
            }
            settings = &step.settings;
        }
        let body = step.sql.trim_end().trim_end_matches(';').replace('\n', "\n  ");
        if let Some(line) = check(step) {
            text.push_str(&paint.dim(&format!("  {line}")));
        }
        text.push_str(&format!("  {body};\n"));
    }
    if open.is_some() {
        text.push_str("  COMMIT;\n");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// A setting's value as `SET` takes it: a search path is a list of names, everything else a string.
fn setting(key: &str, value: &str) -> String {
    if key.eq_ignore_ascii_case("search_path") { value.to_owned() } else { quote_literal(value) }
}

fn drift(plan: &Plan, paint: Paint) -> String {
    if plan.drift.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", paint.bold("Drift (stays until `datamart apply --heal`)"));
    for drift in &plan.drift {
        text.push_str(&format!("  {} {}: {}\n", paint.yellow("!"), drift.address, drift.message));
        text.push_str(&paint.diff(&drift.diff, "      "));
    }
    text.push('\n');
    text
}

fn orphans(plan: &Plan, paint: Paint) -> String {
    if plan.orphans.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", paint.bold("Marts without a file (stay until `datamart apply --prune`)"));
    for orphan in &plan.orphans {
        let guarded = if orphan.prevent_destroy { ", prevent_destroy" } else { "" };
        text.push_str(&format!("  - {} ({}), was in {}{guarded}\n", orphan.address, orphan.kind.as_str(), orphan.file));
    }
    text.push('\n');
    text
}

fn leftovers(plan: &Plan, paint: Paint) -> String {
    if plan.leftovers.is_empty() {
        return String::new();
    }
    let title =
        paint.bold("Built aside by an apply that was interrupted, and not needed (`datamart apply` removes it)");
    format!("{title}\n  {}\n\n", plan.leftovers.join("\n  "))
}

fn refused(refused: &[Refusal], paint: Paint) -> String {
    if refused.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", paint.red("Refused"));
    for refusal in refused {
        let way = match refusal.allowable {
            true => format!(" (--allow {} lets it through)", refusal.hazard),
            false => String::new(),
        };
        text.push_str(&format!("  {} {}: {}{way}\n", word(refusal.hazard, paint), refusal.address, refusal.message));
    }
    if let Some(flag) = allowing(refused) {
        text.push_str(&format!("{}: {flag}\n", paint.cyan("help")));
    }
    text.push('\n');
    text
}

fn word(kind: HazardKind, paint: Paint) -> String {
    paint.red(kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::plan::sample;
    use super::*;

    #[test]
    fn everything_is_told() {
        insta::assert_snapshot!(text(&sample::plan(), false), @r#"
        Project shop, database shop on db:5432, main@sha1:0123456789012345678901234567890123456789

        -/+ public.sales (materialized_view): query changed
            datamarts/sales.toml
            --- query (now)
            +++ query (declared)
            @@ -1 +1 @@
            -SELECT 1
            +SELECT 2
            ! REBUILDS_DATA: public.sales is computed anew (about 10 rows now)
            schema from project.toml

        + public."Sales 2024" (table): new
            datamarts/sales_2024.toml

        - public.old (view): no manifest declares it any more (old.toml)
            --- definition (now)
            +++ nothing
            @@ -1 +0,0 @@
            -SELECT 3
            ! DELETES_DATA: every table it read is empty

        Transaction 1
          BEGIN;
          SET LOCAL ROLE mart_owner;
          SET LOCAL search_path = public;
          SET LOCAL TimeZone = 'UTC';
          CREATE TABLE public."Sales 2024" AS
          SELECT 1;
          RESET ROLE;
          DROP VIEW public.old;
          COMMIT;
        Outside transactions
          CREATE INDEX CONCURRENTLY i ON public.sales (a);

        Drift (stays until `datamart apply --heal`)
          ! public.daily: owner was changed
              --- as applied
              +++ in the database
              @@ -1 +1 @@
              -mart_owner
              +ana

        Marts without a file (stay until `datamart apply --prune`)
          - public.gone (table), was in gone.toml, prevent_destroy

        Refused
          DELETES_DATA public.old: every table it read is empty (--allow DELETES_DATA lets it through)
        help: --allow DELETES_DATA

        Plan: 1 to add, 0 to change, 1 to replace, 1 to destroy.
        "#);
    }

    #[test]
    fn nothing_is_one_line() {
        assert_eq!(text(&sample::empty(), false), "No changes. 12 marts are up to date.\n");
        assert!(text(&sample::plan(), true).contains("\u{1b}[32m+SELECT 2"));
    }
}
