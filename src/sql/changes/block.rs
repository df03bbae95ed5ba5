//! One SELECT: which of its columns commute with what it does.

use std::collections::BTreeSet;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::flat::{Expr, Flat, Output};
use super::lowering::{Joined, Lowering, Taken, hide, is_limited, moves};
use super::node::{any, bare, child, name, queries};
use super::scope::{Scope, has_clock, is_aggregate};
use super::{Known, Obstacle, from, range};

/// The ways in which rows of a SELECT come about.
pub(super) fn select(lowering: &mut Lowering<'_>, node: &SyntaxNode, scope: &Scope) -> Result<Vec<Flat>, Obstacle> {
    use SyntaxKind as K;
    let known = lowering.known;
    let scope = lowering.with(node, scope)?;
    let mut ways = vec![Joined::default()];
    let mut found: Vec<(SyntaxNode, bool)> = Vec::new();
    if let Some(clause) = child(node, K::FROM_CLAUSE) {
        for item in clause.children() {
            ways = from::beside(lowering, &ways, &item, &scope, &mut found)?;
        }
    }
    if let Some(condition) = child(node, K::WHERE_CLAUSE).and_then(|clause| clause.first_child()) {
        let mut within = Vec::new();
        for way in &mut ways {
            let mut taken = Taken::default();
            lowering.condition(&condition, &scope.within(&way.frame), &BTreeSet::new(), &mut taken)?;
            way.flat.take(taken.flat);
            within = taken.queries;
        }
        found.extend(within);
    }
    ways.retain(|way| !way.flat.dead);
    let parts: Vec<SyntaxNode> = expressions(node);
    if let Some(part) = parts.iter().find(|part| has_clock(part)) {
        return Err(moves(part));
    }
    found.extend(parts.iter().filter(|part| !queries(part).is_empty()).map(|part| (part.clone(), false)));
    let block = Block::new(node, known);
    for way in &mut ways {
        way.flat.outputs = block.outputs(&scope.within(&way.frame), known);
    }
    let ways = lowering.sideways(ways, &found, &scope)?;
    Ok(ways.into_iter().map(|way| way.flat).collect())
}

/// Why no column of a query commutes with it, as far as its outermost part says so.
pub(super) fn why(node: &SyntaxNode, known: &Known) -> Option<Obstacle> {
    use SyntaxKind as K;
    if is_limited(node) {
        let word = [(K::LIMIT_CLAUSE, "LIMIT"), (K::OFFSET_CLAUSE, "OFFSET"), (K::FETCH_CLAUSE, "FETCH")];
        let (_, word) = word.into_iter().find(|(kind, _)| child(node, *kind).is_some())?;
        return Some(Obstacle::at(word, format!("which rows {word} picks depends on all of them")));
    }
    if node.kind() != K::SELECT {
        return None;
    }
    let block = Block::new(node, known);
    if block.global {
        return Some(Obstacle::at("SELECT", "without GROUP BY all rows are one group, and any change means all of it"));
    }
    if block.sets.is_some() {
        let list = child(node, K::GROUP_BY_CLAUSE).and_then(|clause| child(&clause, K::GROUP_BY_LIST))?;
        let item = list.children().find(|item| item.kind() != K::GROUPING_EXPR)?;
        let word = item.first_token()?.text().to_owned();
        return Some(Obstacle::at(&word, "no column of the result is in every grouping set"));
    }
    let over = block.targets.iter().any(|target| any(target, &|inner| inner.kind() == K::OVER_CLAUSE));
    over.then(|| Obstacle::at("OVER", "no column of the result is in the PARTITION BY of every window"))
}

/// The parts of a SELECT that are no condition on what it reads.
fn expressions(node: &SyntaxNode) -> Vec<SyntaxNode> {
    use SyntaxKind as K;
    let parts = node.children().filter(|child| {
        matches!(
            child.kind(),
            K::SELECT_CLAUSE
                | K::GROUP_BY_CLAUSE
                | K::HAVING_CLAUSE
                | K::WINDOW_CLAUSE
                | K::ORDER_BY_CLAUSE
                | K::LIMIT_CLAUSE
                | K::OFFSET_CLAUSE
                | K::FETCH_CLAUSE
        )
    });
    parts.collect()
}

/// What a SELECT does with the rows that it reads.
struct Block<'a> {
    node: &'a SyntaxNode,
    targets: Vec<SyntaxNode>,
    /// The keys of GROUP BY that are in every set of it; `None` where all that is no aggregate is one.
    sets: Option<Vec<SyntaxNode>>,
    /// All rows are one group.
    global: bool,
    limited: bool,
    /// What the columns must be among: keys of DISTINCT ON and of each window.
    among: Vec<Vec<SyntaxNode>>,
}

impl<'a> Block<'a> {
    fn new(node: &'a SyntaxNode, known: &Known) -> Self {
        use SyntaxKind as K;
        let clause = child(node, K::SELECT_CLAUSE);
        let targets = clause.as_ref().and_then(|clause| child(clause, K::TARGET_LIST));
        let targets: Vec<SyntaxNode> = targets.map(|list| list.children().collect()).unwrap_or_default();
        let group = child(node, K::GROUP_BY_CLAUSE).and_then(|clause| child(&clause, K::GROUP_BY_LIST));
        let having = child(node, K::HAVING_CLAUSE);
        let computed = expressions(node).iter().any(|part| any(part, &|inner| is_aggregate(inner, known)));
        let mut among = Vec::new();
        let distinct = clause.as_ref().and_then(|clause| child(clause, K::DISTINCT_CLAUSE));
        if let Some(on) = distinct.and_then(|clause| child(&clause, K::DISTINCT_ON)) {
            among.push(on.children().map(|key| bare(&key)).collect());
        }
        for part in expressions(node) {
            windows(&part, node, &mut among);
        }
        let sets = group.as_ref().filter(|list| has_sets(list)).map(common);
        Self {
            node,
            targets,
            sets,
            global: group.is_none() && (computed || having.is_some()),
            limited: is_limited(node),
            among,
        }
    }

    fn outputs(&self, scope: &Scope, known: &Known) -> Vec<Output> {
        let keys = |nodes: &Vec<SyntaxNode>| -> Vec<Expr> {
            nodes.iter().filter_map(|key| scope.output(key, known).expr).collect()
        };
        let sets = self.sets.as_ref().map(keys);
        let among: Vec<Vec<Expr>> = self.among.iter().map(keys).collect();
        let allowed = |expr: &Expr| sets.iter().chain(&among).all(|keys| keys.contains(expr));
        let outputs = self.targets.iter().map(|target| {
            let expression = target.children().find(|part| part.kind() != SyntaxKind::AS_NAME);
            let own = named(target);
            let Some(expression) = expression.filter(|_| !self.global) else { return Output::opaque(&own) };
            let mut output = scope.output(&expression, known);
            output.name = own;
            if output.expr.as_ref().is_none_or(|expr| !allowed(expr)) {
                return Output::opaque(&output.name);
            }
            if scope.main
                && let Some(within) = range::of(&expression, self.node, scope, known)
            {
                output.range = Some(within);
            }
            output
        });
        let mut flat = Flat { outputs: outputs.collect(), ..Flat::default() };
        if self.limited {
            hide(&mut flat);
        }
        flat.outputs
    }
}

/// The name of a column of the result: the server writes it wherever it is not a column's own.
fn named(target: &SyntaxNode) -> String {
    if let Some(alias) = child(target, SyntaxKind::AS_NAME).and_then(|alias| alias.first_child()) {
        return name(&alias);
    }
    let last = target.first_child().and_then(|node| match node.kind() {
        SyntaxKind::FIELD_EXPR => node.last_child(),
        _ => Some(node),
    });
    last.map(|node| name(&node)).unwrap_or_default()
}

fn has_sets(list: &SyntaxNode) -> bool {
    use SyntaxKind as K;
    list.children().any(|item| matches!(item.kind(), K::GROUPING_ROLLUP | K::GROUPING_CUBE | K::GROUPING_SETS))
}

/// The keys that every grouping set of a list has: rows of a total are in the groups of all others.
fn common(list: &SyntaxNode) -> Vec<SyntaxNode> {
    list.children().flat_map(|item| of_item(&item)).collect()
}

fn of_item(item: &SyntaxNode) -> Vec<SyntaxNode> {
    use SyntaxKind as K;
    match item.kind() {
        K::GROUPING_ROLLUP | K::GROUPING_CUBE => Vec::new(),
        K::GROUPING_SETS => {
            let sets: Vec<Vec<SyntaxNode>> = item.children().map(|set| of_item(&set)).collect();
            let same = |one: &SyntaxNode, other: &SyntaxNode| super::node::text(one) == super::node::text(other);
            let first = sets.first().cloned().unwrap_or_default();
            first.into_iter().filter(|key| sets.iter().all(|set| set.iter().any(|other| same(key, other)))).collect()
        }
        K::GROUPING_EXPR => item.children().flat_map(|inner| of_item(&inner)).collect(),
        K::TUPLE_EXPR => item.children().map(|inner| bare(&inner)).collect(),
        _ => vec![bare(item)],
    }
}

/// The keys of the windows of an expression.
fn windows(part: &SyntaxNode, select: &SyntaxNode, among: &mut Vec<Vec<SyntaxNode>>) {
    if super::node::is_query(part.kind()) {
        return;
    }
    if part.kind() == SyntaxKind::OVER_CLAUSE {
        among.push(partition(part, select));
    }
    part.children().for_each(|inner| windows(&inner, select, among));
}

/// The keys of a window, those of the window that it is made from among them.
fn partition(over: &SyntaxNode, select: &SyntaxNode) -> Vec<SyntaxNode> {
    use SyntaxKind as K;
    let mut keys = Vec::new();
    for node in over.descendants() {
        if node.kind() == K::PARTITION_BY_CLAUSE {
            keys.extend(node.children().map(|key| bare(&key)));
        }
        if node.kind() == K::WINDOW_REF {
            let wanted = name(&node);
            let defined = child(select, K::WINDOW_CLAUSE).into_iter().flat_map(|clause| clause.children());
            let of_name = |def: &SyntaxNode| child(def, K::WINDOW).is_some_and(|own| name(&own) == wanted);
            if let Some(def) = defined.filter(|def| def.kind() == K::WINDOW_DEF).find(of_name)
                && let Some(spec) = child(&def, K::WINDOW_SPEC)
            {
                keys.extend(partition(&spec, select));
            }
        }
    }
    keys
}
