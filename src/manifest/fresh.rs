//! What `fresh = true` and `strategy = "on_commit"` ask of a mart.

use super::incremental::Checked;
use super::report::Report;
use super::section::Section;
use crate::state::{IncrementalMethod, Kind, Strategy};

/// Whether a mart whose rows follow every change at once can.
pub(super) fn check(root: &Section<'_>, mart: &Checked<'_>, report: &mut Report) {
    let section = root.section("refresh");
    let (fresh, on_commit) = (mart.policy.fresh, mart.policy.strategy == Strategy::OnCommit);
    if mart.kind == Kind::MaterializedView || !(fresh || on_commit) {
        return;
    }
    let (key, what) = match fresh {
        true => ("fresh", "`fresh = true`"),
        false => ("strategy", "`strategy = \"on_commit\"`"),
    };
    if fresh && on_commit {
        let message = "readers of a mart with `fresh = true` see every commit already";
        let help = "remove `strategy = \"on_commit\"`: writers pay nothing for `fresh = true`";
        report.error(section.span("strategy"), section.path("strategy"), message, help);
    }
    let incremental = section.section("incremental");
    let method = mart.policy.incremental.as_ref().map(|incremental| incremental.method);
    if let Some(method) = method.filter(|method| *method != IncrementalMethod::Changes) {
        let message = format!("{what} needs `method = \"changes\"`, and this is `method = \"{}\"`", method.as_str());
        report.error(incremental.span("method"), incremental.path("method"), message, format!("remove it, or {what}"));
    }
    if mart.policy.incremental.as_ref().is_some_and(|incremental| incremental.frozen_before.is_some()) {
        let (span, path) = match incremental.has("frozen_before") {
            true => (incremental.key_span("frozen_before"), incremental.path("frozen_before")),
            false => (section.span(key), section.path(key)),
        };
        let message = format!("{what} shows what the sources have, and `frozen_before` keeps rows that they lost");
        report.error(span, path, message, "keep one of them");
    }
    let versions = root.section("versions");
    if on_commit && versions.exists() {
        let message = "writers keep one table of rows, and each version of a mart is another";
        report.error(versions.own_span(), "versions", message, "remove it, or use `fresh = true`");
    }
    let retention = root.section("retention");
    if retention.exists() {
        let message = format!("{what} computes rows again that [retention] deleted");
        let help = "say in the query how old its rows may be, or remove one of them";
        report.error(retention.own_span(), "retention", message, help);
    }
}
