//! A plan, for a pull request's comment.

use datamart::plan::{Change, Plan, Step};

use super::super::error::count;
use super::comment::{append, escaped, folded};
use super::plan_words::{allowing, check, summary};

/// Summary line, a table, folded diffs; at most 48,000 characters.
pub fn markdown(plan: &Plan) -> String {
    let mut text = format!("**{}**\n\n", summary(plan));
    text.push_str(&format!("`{}`", plan.database));
    if let Some(revision) = &plan.revision {
        text.push_str(&format!(" · `{revision}`"));
    }
    text.push_str("\n\n");
    let mut pieces = Vec::new();
    if !plan.refused.is_empty() {
        pieces.push(refused(plan));
    }
    if !plan.changes.is_empty() {
        pieces.push("| | mart | type | why | hazards |\n|---|---|---|---|---|\n".to_owned());
        pieces.extend(plan.changes.iter().map(row));
        pieces.push("\n".to_owned());
    }
    pieces.extend(plan.changes.iter().filter(|change| !change.diff.is_empty()).map(|change| {
        folded(&format!("<code>{}</code>: {}", html(&change.address), html(&change.reason)), &change.diff, "diff")
    }));
    if !plan.drift.is_empty() {
        let lines: String = plan.drift.iter().map(|d| format!("# {}: {}\n{}", d.address, d.message, d.diff)).collect();
        pieces.push(folded(&format!("Drift: {}", plan.drift.len()), &lines, "diff"));
    }
    if !plan.leftovers.is_empty() {
        let title = format!("Left by an apply that was interrupted, removed by the next: {}", plan.leftovers.len());
        pieces.push(folded(&title, &format!("{}\n", plan.leftovers.join("\n")), "text"));
    }
    if !plan.orphans.is_empty() {
        let lines: String = plan.orphans.iter().map(|o| format!("{} (was in {})\n", o.address, o.file)).collect();
        pieces.push(folded(&format!("Marts without a file: {}", plan.orphans.len()), &lines, "text"));
    }
    if !plan.steps.is_empty() {
        let line = |step: &Step| format!("{}{};\n", check(step).unwrap_or_default(), step.sql.trim_end_matches(';'));
        let lines: String = plan.steps.iter().map(line).collect();
        pieces.push(folded(&format!("SQL: {}", count(plan.steps.len(), "statement")), &lines, "sql"));
    }
    let left_out = append(&mut text, pieces, false);
    if left_out > 0 {
        text.push_str(&format!(
            "\n_{left_out} part(s) of this plan are too long for a comment; `datamart plan` shows them._\n"
        ));
    }
    text
}

/// What is told behind the plan once it is applied, within the same comment.
pub fn applied(plan: &Plan, marts: &str, findings: &str) -> String {
    let shown = markdown(plan);
    let mut text = shown.clone();
    let s = plan.summary;
    let mut pieces = vec![format!(
        "\n**Applied: {} added, {} changed, {} replaced, {} destroyed.**\n\n",
        s.add, s.change, s.replace, s.destroy
    )];
    if plan.is_empty() {
        pieces.clear();
    }
    pieces.extend((!findings.is_empty()).then(|| folded("Checks", findings, "text")));
    pieces.push(folded("Marts", marts, "text"));
    append(&mut text, pieces, false);
    text.split_off(shown.len())
}

fn refused(plan: &Plan) -> String {
    let mut text = "> **Refused.**\n".to_owned();
    for refusal in &plan.refused {
        text.push_str(&format!(
            "> - `{}` {}: {}\n",
            refusal.hazard,
            escaped(&refusal.address),
            escaped(&refusal.message)
        ));
    }
    if let Some(flag) = allowing(&plan.refused) {
        text.push_str(&format!(">\n> `{flag}` lets it through.\n"));
    }
    text.push('\n');
    text
}

fn row(change: &Change) -> String {
    let hazards: Vec<String> = change.hazards.iter().map(|hazard| format!("`{}`", hazard.kind)).collect();
    format!(
        "| `{}` | {} | {} | {} | {} |\n",
        change.action.symbol(),
        escaped(&change.address),
        change.kind.as_str(),
        escaped(&change.reason),
        hazards.join(" ")
    )
}

/// Text in a summary, which is HTML and no Markdown.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::super::plan::sample;
    use super::*;

    #[test]
    fn what_was_applied_is_of_the_same_comment() {
        let plan = sample::plan();
        let told = applied(&plan, "mart  rows\nsales    10\n", "");
        assert!(told.contains("**Applied: 1 added, 0 changed, 1 replaced, 1 destroyed.**\n"), "{told}");
        assert!(told.contains("<summary>Marts</summary>\n\n```text\nmart  rows\n"), "{told}");
        let long = applied(&plan, &"x".repeat(60_000), "");
        assert!(long.contains("Applied") && !long.contains("Marts"), "{long}");
        assert!(applied(&sample::empty(), "sales", "").trim_start().starts_with("<details>"));
    }

    #[test]
    fn a_comment() {
        insta::assert_snapshot!(markdown(&sample::plan()), @r#"
        **Plan: 1 to add, 0 to change, 1 to replace, 1 to destroy.**

        `shop on db:5432` · `main@sha1:0123456789012345678901234567890123456789`

        > **Refused.**
        > - `DELETES_DATA` public.old: every table it read is empty
        >
        > `--allow DELETES_DATA` lets it through.

        | | mart | type | why | hazards |
        |---|---|---|---|---|
        | `-/+` | public.sales | materialized_view | query changed | `REBUILDS_DATA` |
        | `+` | public."Sales 2024" | table | new |  |
        | `-` | public.old | view | no manifest declares it any more (old.toml) | `DELETES_DATA` |

        <details><summary><code>public.sales</code>: query changed</summary>

        ```diff
        --- query (now)
        +++ query (declared)
        @@ -1 +1 @@
        -SELECT 1
        +SELECT 2
        ```

        </details>

        <details><summary><code>public.old</code>: no manifest declares it any more (old.toml)</summary>

        ```diff
        --- definition (now)
        +++ nothing
        @@ -1 +0,0 @@
        -SELECT 3
        ```

        </details>

        <details><summary>Drift: 1</summary>

        ```diff
        # public.daily: owner was changed
        --- as applied
        +++ in the database
        @@ -1 +1 @@
        -mart_owner
        +ana
        ```

        </details>

        <details><summary>Marts without a file: 1</summary>

        ```text
        public.gone (was in gone.toml)
        ```

        </details>

        <details><summary>SQL: 3 statements</summary>

        ```sql
        CREATE TABLE public."Sales 2024" AS
        SELECT 1;
        DROP VIEW public.old;
        CREATE INDEX CONCURRENTLY i ON public.sales (a);
        ```

        </details>
        "#);
    }

    #[test]
    fn a_comment_is_never_too_long() {
        let mut plan = sample::plan();
        let mut change = plan.changes[0].clone();
        change.diff = "+x\n".repeat(5_000);
        plan.changes = vec![change; 40];
        let text = markdown(&plan);
        assert!(text.chars().count() <= super::super::comment::MOST, "{}", text.chars().count());
        assert!(text.contains("too long for a comment"));
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }
}
