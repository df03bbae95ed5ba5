//! What taking a query apart keeps in mind.

use std::collections::BTreeSet;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::flat::{Flat, Item, Output};
use super::node::{clock, name, queries, text};
use super::scope::Frame;
use super::{Known, Obstacle, allowed};
use crate::state::QName;

/// More ways than these for a row to come about are not followed one by one.
pub(super) const MAX_WAYS: usize = 128;

/// The state of taking a query apart.
pub(super) struct Lowering<'a> {
    pub known: &'a Known,
    /// The tables that are read, each once.
    pub sources: Vec<QName>,
    /// The views that were written out.
    pub views: BTreeSet<QName>,
    pub checked: BTreeSet<QName>,
    /// Names in FROM of the text itself, as often as they stand there.
    pub named: Vec<Vec<String>>,
    pub next: Item,
    /// Rows that an outer join found no row for are not followed by themselves.
    pub simple: bool,
    pub depth: usize,
}

/// A join under construction: what is read, and the names it is read by.
#[derive(Debug, Clone, Default)]
pub(super) struct Joined {
    pub flat: Flat,
    pub frame: Frame,
}

impl<'a> Lowering<'a> {
    pub fn new(known: &'a Known, root: &SyntaxNode) -> Self {
        Self {
            known,
            sources: Vec::new(),
            views: BTreeSet::new(),
            checked: BTreeSet::new(),
            named: allowed::relations(root),
            next: 0,
            simple: false,
            depth: 0,
        }
    }

    /// A relation that the text names and that was not come across.
    pub fn unread(&self) -> Option<QName> {
        let qualified = self.named.iter().filter_map(|parts| match &parts[..] {
            [schema, name] => Some(QName::new(schema, name)),
            _ => None,
        });
        qualified.into_iter().find(|name| !self.sources.contains(name) && !self.views.contains(name))
    }

    /// The number of a new item.
    pub fn item(&mut self) -> Item {
        self.next += 1;
        self.next - 1
    }
}

/// What conditions add to a join.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub flat: Flat,
    /// Expressions with queries in them, and whether each is a condition of its own.
    pub queries: Vec<(SyntaxNode, bool)>,
}

/// Names in a list of columns.
pub(super) fn names(list: &SyntaxNode) -> Vec<String> {
    let columns =
        list.children().filter(|child| matches!(child.kind(), SyntaxKind::COLUMN_NAME | SyntaxKind::COLUMN_NAME_REF));
    columns.map(|column| name(&column)).collect()
}

pub(super) fn is_limited(node: &SyntaxNode) -> bool {
    use SyntaxKind as K;
    node.children().any(|child| matches!(child.kind(), K::LIMIT_CLAUSE | K::OFFSET_CLAUSE | K::FETCH_CLAUSE))
}

/// Which rows are picked depends on all of them.
pub(super) fn hide(flat: &mut Flat) {
    for output in &mut flat.outputs {
        *output = Output::opaque(&output.name);
    }
}

pub(super) fn moves(node: &SyntaxNode) -> Obstacle {
    let found = node.descendants().find(clock).map(|inner| text(&inner)).unwrap_or_default();
    let only = "is another in each refresh, which is followed only where WHERE compares a column with it";
    Obstacle::at(found.trim_end_matches("()"), format!("{found} {only}"))
}

pub(super) fn many() -> Obstacle {
    Obstacle::at("JOIN", "outer joins, UNIONs and subqueries make too many ways for a row to come about")
}

pub(super) fn few(flats: &[Flat]) -> Result<(), Obstacle> {
    if flats.len() > MAX_WAYS { Err(many()) } else { Ok(()) }
}

/// Rows of VALUES that a query or the time computes are not followed.
pub(super) fn constant(values: &SyntaxNode) -> Result<(), Obstacle> {
    if values.children().any(|child| !queries(&child).is_empty()) {
        return Err(Obstacle::at("VALUES", "VALUES with queries in it is not understood"));
    }
    if has_clock_below(values) { Err(moves(values)) } else { Ok(()) }
}

fn has_clock_below(values: &SyntaxNode) -> bool {
    values.descendants().any(|inner| clock(&inner))
}
