//! Large marts in partitions: made aside, and filled side by side before anything of them is published.

use super::Step;
use super::builder::Builder;
use super::decision::Decision;
use super::partitions;
use super::shares::holds;
use super::target::Target;
use crate::sql::changes::{beyond, spanned, whole};
use crate::state::{Fingerprint, NOT_FILLED, Piece, QName, aside_mark, quote_ident, quote_literal};

/// And so many partitions that one transaction analyses: it has a lock on each, and on their indexes.
const LOCKED: usize = 500;

impl Decision<'_> {
    /// Whether its rows are computed side by side: what it reads is there, whatever else `members` do.
    pub(super) fn fills_beside(&self, members: &[&Decision<'_>]) -> bool {
        let read = |other: &&&Decision<'_>| self.target.reads.contains(&other.target.mart.name);
        self.builds() && self.target.shares.is_some() && !members.iter().any(|other| read(&other))
    }
}

impl Builder<'_> {
    /// Fills `name`, which was made in a transaction of its own: its mark says that it is not whole.
    pub(super) fn fill_beside(&mut self, decision: &Decision<'_>, name: &QName) {
        let mart = &decision.target.mart.name;
        let mark = aside_mark(&self.project.name, name, &Fingerprint::of(NOT_FILLED));
        let sql = format!("COMMENT ON TABLE {name} IS {}", quote_literal(&mark));
        let marked = Step { aside: true, beside: true, ..self.step(mart, sql, self.builder_role(decision)) };
        self.out.steps.push(marked);
        self.begin();
        for sql in fills(&decision.target, name) {
            let step = self.step(mart, sql, self.builder_role(decision));
            let settings = self.settings(decision);
            self.out.steps.push(Step { settings, aside: true, beside: true, ..step });
        }
        self.begin();
    }
}

/// The statements that fill it. Together they give all rows, each in one of them.
fn fills(target: &Target<'_>, name: &QName) -> Vec<String> {
    let (Some(shares), Some(partition)) = (&target.shares, &target.mart.partition) else { return Vec::new() };
    let query = &shares.weight.query;
    let at = query.key.iter().position(|key| key.name == partition.column).unwrap_or_default();
    let column = format!("q.{}", quote_ident(&partition.column));
    let held = target.pieces.iter().filter(|piece| holds(piece, &shares.weight));
    let mut pieces: Vec<(&Piece, &(String, String))> =
        held.filter_map(|piece| Some((piece, piece.range.as_ref()?))).collect();
    pieces.sort_by(|a, b| a.1.cmp(b.1));
    let insert = |into: &QName, query: &str, condition: &str| {
        let query = target.retained(query);
        format!("INSERT INTO {into}\nSELECT q.* FROM (\n{}\n) AS q\nWHERE {condition}", query.trim())
    };
    let mut groups: Vec<_> = pieces.chunks(shares.every.max(1)).map(|group| (group, spans(group))).collect();
    if !shares.reaches {
        groups.pop();
    }
    let known: Vec<(String, String)> = groups.iter().flat_map(|(_, spans)| spans.clone()).collect();
    // What no partition by time takes goes to the default, or the server tells of it.
    let mut sql = vec![match joined(known.into_iter()).as_slice() {
        [span] => insert(name, &beyond(query, at, span), &outside(&column, span)),
        spans => {
            let all: Vec<String> = spans.iter().map(|span| among(&column, span)).collect();
            insert(name, &whole(query), &format!("({}) IS NOT TRUE", all.join(" OR ")))
        }
    }];
    for (group, spans) in &groups {
        let condition: Vec<String> = spans.iter().map(|span| among(&column, span)).collect();
        let into = match group {
            [(piece, _)] => partitions::aside(&piece.name),
            _ => name.clone(),
        };
        sql.push(insert(&into, &spanned(query, at, spans), &condition.join(" OR ")));
    }
    sql
}

/// Statistics and visibility map of what was filled, in statements that can run side by side. ANALYZE of a mart in partitions looks
/// at all rows for the mart, and then at each partition that nobody else has locked: at the others somebody looks meanwhile. They
/// are locked by then, as the mart takes its time; those that are left to it are locked by itself, or whoever is done with the others,
/// and vacuums these by then, would have it pass over them.
pub(super) fn complete(target: &Target<'_>, name: &QName) -> Vec<String> {
    let sessions = target.shares.as_ref().map_or(1, |shares| shares.sessions);
    let parts: Vec<String> = target.pieces.iter().map(|piece| partitions::aside(&piece.name).to_string()).collect();
    let groups: Vec<String> =
        parts.chunks(parts.len().div_ceil(sessions).max(1)).map(|group| group.join(", ")).collect();
    let (Some((first, others)), true) = (groups.split_first(), parts.len() <= LOCKED) else {
        return vec![format!("ANALYZE {name}"), format!("VACUUM {name}")];
    };
    let locked =
        |group: &String, what: &str| format!("LOCK TABLE {group} IN SHARE UPDATE EXCLUSIVE MODE;\nANALYZE {what}");
    let vacuum = |group: &String| format!("VACUUM {group}");
    let analyze =
        others.iter().map(|group| locked(group, group)).chain([locked(first, &format!("(SKIP_LOCKED) {name}"))]);
    analyze.chain(others.iter().chain([first]).map(vacuum)).collect()
}

/// The times of partitions: those that follow one another as one.
fn spans(pieces: &[(&Piece, &(String, String))]) -> Vec<(String, String)> {
    joined(pieces.iter().map(|(_, range)| (*range).clone()))
}

fn joined(ranges: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}

fn among(column: &str, (from, to): &(String, String)) -> String {
    format!("({column} >= {} AND {column} < {})", quote_literal(from), quote_literal(to))
}

/// The condition of rows that are not there, such that an index may help.
fn outside(column: &str, (from, to): &(String, String)) -> String {
    format!("{column} < {} OR {column} >= {} OR {column} IS NULL", quote_literal(from), quote_literal(to))
}
