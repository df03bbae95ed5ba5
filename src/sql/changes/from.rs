//! What stands behind FROM.

use std::collections::BTreeSet;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::Obstacle;
use super::flat::{Cond, Expr, Flat, Item, Kind, Output};
use super::lowering::{Joined, Lowering, Taken, constant, few, many, names};
use super::node::{bare, child, has_token, is_query, name, path, queries, text};
use super::scope::{Frame, Scope, missing};
use crate::state::QName;

/// What a list of FROM has so far, and one more.
pub(super) fn beside(
    lowering: &mut Lowering<'_>,
    ways: &[Joined],
    node: &SyntaxNode,
    scope: &Scope,
    found: &mut Vec<(SyntaxNode, bool)>,
) -> Result<Vec<Joined>, Obstacle> {
    let mut all = Vec::new();
    for (number, left) in ways.iter().enumerate() {
        let mut within = Vec::new();
        for right in item(lowering, node, &scope.within(&left.frame), &mut within)? {
            all.push(both(left, &right));
        }
        if number == 0 {
            found.extend(within);
        }
        if all.len() > 1000 {
            return Err(many());
        }
    }
    let flats: Vec<Flat> = all.iter().map(|way| Flat { dead: way.flat.dead, ..Flat::default() }).collect();
    few(&flats)?;
    Ok(all)
}

fn both(left: &Joined, right: &Joined) -> Joined {
    let mut frame = left.frame.clone();
    frame.aliases.extend(right.frame.aliases.iter().cloned());
    frame.merged.extend(right.frame.merged.iter().cloned());
    Joined { flat: left.flat.beside(&right.flat), frame }
}

/// The ways of one item. The innermost frame of the scope has what stands left of it.
fn item(
    lowering: &mut Lowering<'_>,
    node: &SyntaxNode,
    scope: &Scope,
    found: &mut Vec<(SyntaxNode, bool)>,
) -> Result<Vec<Joined>, Obstacle> {
    use SyntaxKind as K;
    let unknown = || Obstacle::at(&text(node), format!("`{}` is not understood", text(node)));
    match node.kind() {
        K::RELATION_FROM_ITEM => relation(lowering, node, scope),
        K::JOIN_EXPR => join(lowering, node, scope, found),
        K::FUNCTION_FROM_ITEM => Ok(vec![function(lowering, node, scope)?]),
        K::PAREN_FROM_ITEM => {
            let inner = node.first_child().ok_or_else(unknown)?;
            let within = bare(&inner);
            if matches!(
                within.kind(),
                K::JOIN_EXPR | K::PAREN_FROM_ITEM | K::RELATION_FROM_ITEM | K::FUNCTION_FROM_ITEM
            ) {
                return match child(node, K::FROM_ALIAS) {
                    None => item(lowering, &within, scope, found),
                    Some(_) => Err(Obstacle::at("JOIN", "a join with a name of its own is not understood")),
                };
            }
            subquery(lowering, node, &inner, scope)
        }
        _ => Err(unknown()),
    }
}

fn alias(node: &SyntaxNode) -> (Option<String>, Vec<String>) {
    let Some(alias) = child(node, SyntaxKind::FROM_ALIAS) else { return (None, Vec::new()) };
    let own = child(&alias, SyntaxKind::TABLE_ALIAS).map(|own| name(&own));
    (own, child(&alias, SyntaxKind::COLUMN_LIST).map(|list| names(&list)).unwrap_or_default())
}

fn renamed(mut outputs: Vec<Output>, columns: &[String]) -> Vec<Output> {
    for (output, column) in outputs.iter_mut().zip(columns) {
        output.name.clone_from(column);
    }
    outputs
}

/// The result of a query, as an item of FROM.
fn as_item(flat: Flat, alias: &str, columns: &[String]) -> Joined {
    let outputs = renamed(flat.outputs.clone(), columns);
    let frame = Frame { aliases: vec![(alias.to_owned(), outputs)], merged: Vec::new() };
    Joined { flat: Flat { outputs: Vec::new(), ..flat }, frame }
}

fn relation(lowering: &mut Lowering<'_>, node: &SyntaxNode, scope: &Scope) -> Result<Vec<Joined>, Obstacle> {
    let parts = child(node, SyntaxKind::RELATION_NAME_REF).map(|node| path(&node)).unwrap_or_default();
    let (own, columns) = alias(node);
    match &parts[..] {
        [cte] => {
            let at = scope.ctes.iter().rposition(|known| known.name == *cte);
            let Some(at) = at else {
                return Err(Obstacle::at(cte, format!("{cte} is a catalog: its changes are not logged")));
            };
            let known = scope.ctes[at].clone();
            let once = lowering.named.iter().filter(|named| **named == parts).count() == 1;
            let mut frames = scope.frames.clone();
            frames.pop();
            let inner = Scope { frames, ctes: scope.ctes[..at].to_vec(), main: scope.main && once };
            let flats = lowering.query(&known.query, &inner)?;
            let columns: Vec<String> = if columns.is_empty() { known.columns } else { columns };
            let alias = own.unwrap_or_else(|| cte.clone());
            Ok(flats.into_iter().map(|flat| as_item(flat, &alias, &columns)).collect())
        }
        [schema, table] => {
            let name = QName::new(schema, table);
            let alias = own.unwrap_or_else(|| table.clone());
            if let Some(found) = lowering.known.tables.get(&name) {
                let id = lowering.item();
                if !lowering.sources.contains(&name) {
                    lowering.sources.push(name.clone());
                }
                let output = |(column, type_name): &(String, String)| Output {
                    name: column.clone(),
                    expr: Some(Expr::column(id, column)),
                    type_name: Some(type_name.clone()),
                    ..Output::default()
                };
                let outputs = renamed(found.columns.iter().map(output).collect(), &columns);
                let flat = Flat { items: vec![(id, Kind::Table(name))], outputs, ..Flat::default() };
                return Ok(vec![as_item(flat, &alias, &[])]);
            }
            if let Some(why) = lowering.known.others.get(&name) {
                return Err(Obstacle::at(table, why.clone()));
            }
            let flats = lowering.view(&name)?;
            Ok(flats.into_iter().map(|flat| as_item(flat, &alias, &columns)).collect())
        }
        _ => Err(Obstacle::at(&text(node), format!("`{}` is not understood", text(node)))),
    }
}

fn subquery(
    lowering: &mut Lowering<'_>,
    node: &SyntaxNode,
    inner: &SyntaxNode,
    scope: &Scope,
) -> Result<Vec<Joined>, Obstacle> {
    let (own, columns) = alias(node);
    let own = own.unwrap_or_default();
    let values = inner.descendants().find(|inner| is_query(inner.kind()) && inner.kind() != SyntaxKind::PAREN_SELECT);
    if let Some(values) = values.filter(|values| values.kind() == SyntaxKind::VALUES) {
        let id = lowering.item();
        constant(&values)?;
        let expr = scope.values(&values, lowering.known);
        let mut rows = Expr::default();
        rows.push_text("(");
        rows.pieces.extend(expr.iter().flat_map(|expr| expr.pieces.clone()));
        rows.push_text(")");
        return Ok(vec![rows_item(id, rows, &own, &columns, expr.is_some())]);
    }
    // What stands beside it is visible to LATERAL only.
    let mut scope = scope.clone();
    if !has_token(node, SyntaxKind::LATERAL_KW) {
        scope.frames.pop();
    }
    let flats = lowering.query(inner, &scope)?;
    Ok(flats.into_iter().map(|flat| as_item(flat, &own, &columns)).collect())
}

/// Rows that come from no table.
fn rows_item(id: Item, rows: Expr, alias: &str, columns: &[String], read: bool) -> Joined {
    let output = |column: &String| Output {
        name: column.clone(),
        expr: read.then(|| Expr::column(id, column)),
        ..Output::default()
    };
    let outputs = columns.iter().map(output).collect();
    let items = if read { vec![(id, Kind::Rows(rows, columns.to_vec()))] } else { Vec::new() };
    as_item(Flat { items, outputs, ..Flat::default() }, alias, &[])
}

/// A function behind FROM: what it gives depends on its arguments alone.
fn function(lowering: &mut Lowering<'_>, node: &SyntaxNode, scope: &Scope) -> Result<Joined, Obstacle> {
    let (own, columns) = alias(node);
    let call = node.first_child().filter(|call| call.kind() == SyntaxKind::CALL_EXPR);
    let (Some(call), false) = (call, columns.is_empty()) else {
        return Err(Obstacle::at(&text(node), format!("`{}` is not understood", text(node))));
    };
    if super::scope::has_clock(&call) || !queries(&call).is_empty() {
        return Err(Obstacle::at(&text(&call), format!("`{}` may give other rows each time", text(&call))));
    }
    let id = lowering.item();
    let expr = scope.call(&call, lowering.known);
    let read = expr.is_some();
    let mut rows = expr.unwrap_or_default();
    if child(node, SyntaxKind::WITH_ORDINALITY).is_some() {
        rows.push_text(" WITH ORDINALITY");
    }
    Ok(rows_item(id, rows, &own.unwrap_or_default(), &columns, read))
}

fn join(
    lowering: &mut Lowering<'_>,
    node: &SyntaxNode,
    scope: &Scope,
    found: &mut Vec<(SyntaxNode, bool)>,
) -> Result<Vec<Joined>, Obstacle> {
    use SyntaxKind as K;
    let unknown = || Obstacle::at("JOIN", format!("`{}` is not understood", text(node)));
    let left = node.first_child().ok_or_else(unknown)?;
    let how = child(node, K::JOIN).ok_or_else(unknown)?;
    let parts: Vec<SyntaxNode> = how.children().collect();
    let (Some(kind), Some(right)) = (parts.first(), parts.get(1)) else { return Err(unknown()) };
    if has_token(&how, K::NATURAL_KW) {
        return Err(unknown());
    }
    let mut ways = Vec::new();
    for left in item(lowering, &left, scope, found)? {
        let mut seen = scope.clone();
        if let Some(frame) = seen.frames.last_mut() {
            frame.aliases.extend(left.frame.aliases.iter().cloned());
            frame.merged.extend(left.frame.merged.iter().cloned());
        }
        let mut within = Vec::new();
        for right in item(lowering, right, &seen, &mut within)? {
            let pair = Pair { left: &left, right: &right, kind: kind.kind(), how: &how };
            pair.ways(lowering, scope, &mut ways, &mut within)?;
        }
        for query in within {
            if !found.iter().any(|(known, _)| *known == query.0) {
                found.push(query);
            }
        }
        if ways.len() > 1000 {
            return Err(many());
        }
    }
    ways.retain(|way: &Joined| !way.flat.dead);
    let flats: Vec<Flat> = ways.iter().map(|_| Flat::default()).collect();
    few(&flats)?;
    Ok(ways)
}

/// An item that is nowhere.
const NOBODY: Item = usize::MAX;

/// Two sides of a join.
struct Pair<'a> {
    left: &'a Joined,
    right: &'a Joined,
    kind: SyntaxKind,
    how: &'a SyntaxNode,
}

impl Pair<'_> {
    /// Rows that match; and, of an outer join, rows of one side alone, where what did not match is there as what may match again.
    fn ways(
        &self,
        lowering: &Lowering<'_>,
        scope: &Scope,
        ways: &mut Vec<Joined>,
        found: &mut Vec<(SyntaxNode, bool)>,
    ) -> Result<(), Obstacle> {
        use SyntaxKind as K;
        let (left_alone, right_alone) = match self.kind {
            K::JOIN_INNER | K::JOIN_CROSS => (false, false),
            K::JOIN_LEFT => (true, false),
            K::JOIN_RIGHT => (false, true),
            K::JOIN_FULL => (true, true),
            _ => return Err(Obstacle::at("JOIN", "a join is not understood")),
        };
        let (of_left, of_right) = (self.left.flat.ids(), self.right.flat.ids());
        let with = match (left_alone, right_alone) {
            (false, false) => BTreeSet::new(),
            (true, false) => of_right,
            (false, true) => of_left,
            (true, true) => of_left.union(&of_right).copied().collect(),
        };
        let mut matched = both(self.left, self.right);
        // Of two sides that may both be missing, a condition holds only where both are there.
        let both_needed = left_alone && right_alone;
        let mut taken = Taken::default();
        if let Some(on) = child(self.how, K::ON_CLAUSE).and_then(|clause| clause.first_child()) {
            lowering.condition(&on, &scope.within(&matched.frame), &with, &mut taken)?;
        }
        let mut merged = Vec::new();
        if let Some(using) = child(self.how, K::JOIN_USING_CLAUSE) {
            if child(&using, K::REQUIRED_AS_ALIAS).is_some() {
                return Err(Obstacle::at("USING", "USING with a name of its own is not understood"));
            }
            let columns = child(&using, K::COLUMN_REF_LIST).map(|list| names(&list)).unwrap_or_default();
            for column in columns {
                let one = self.left.frame.by_name(&column);
                let other = self.right.frame.by_name(&column);
                let (Some(one), Some(other)) = (one, other) else {
                    return Err(Obstacle::at("USING", format!("the column {column} of USING is not known")));
                };
                if let (Some(a), Some(b)) =
                    (one.expr.as_ref().filter(|_| !one.cast), other.expr.as_ref().filter(|_| !other.cast))
                {
                    taken.flat.dead |= a.is_null() || b.is_null();
                    let mut expr = Expr::default();
                    expr.push(a);
                    expr.push_text(" = ");
                    expr.push(b);
                    taken.flat.conds.push(Cond { expr, equality: true, with: with.clone() });
                }
                merged.push((one.clone(), other.clone()));
            }
        }
        if both_needed {
            for cond in &mut taken.flat.conds {
                let items = cond.expr.items();
                if items.is_subset(&self.left.flat.ids()) || items.is_subset(&self.right.flat.ids()) {
                    // It says nothing of a row that matched nothing.
                    cond.with = BTreeSet::from([NOBODY]);
                }
            }
        }
        for query in taken.queries {
            if !found.contains(&query) {
                found.push((query.0, false));
            }
        }
        let alone = |side: &Joined, frame: Frame| {
            // What never matches is not there; what may match again, is.
            let mut flat = if taken.flat.dead { side.flat.clone() } else { matched.flat.clone() };
            if !taken.flat.dead {
                flat.take(taken.flat.clone());
            }
            Joined { flat, frame }
        };
        let columns = |pick: fn(&(Output, Output)) -> &Output| merged.iter().map(pick).cloned().collect::<Vec<_>>();
        if lowering.simple && left_alone != right_alone {
            let side = if left_alone { &self.right.frame } else { &self.left.frame };
            perhaps(&mut matched.frame, side);
            merge(&mut matched.frame, columns(if left_alone { |(left, _)| left } else { |(_, right)| right }));
            // Nothing that the condition says holds for rows of the one side alone.
            let dead = matched.flat.dead;
            matched.flat.take(taken.flat);
            matched.flat.dead = dead;
            ways.push(matched);
            return Ok(());
        }
        if left_alone {
            let gone = missing(&self.right.frame);
            let mut frame = self.left.frame.clone();
            frame.aliases.extend(gone.aliases);
            merge(&mut frame, columns(|(left, _)| left));
            ways.push(alone(self.left, frame));
        }
        if right_alone {
            let mut frame = missing(&self.left.frame);
            frame.aliases.extend(self.right.frame.aliases.iter().cloned());
            frame.merged.clear();
            merge(&mut frame, columns(|(_, right)| right));
            ways.push(alone(self.right, frame));
        }
        let first = matches!(self.kind, K::JOIN_RIGHT);
        merge(&mut matched.frame, columns(if first { |(_, right)| right } else { |(left, _)| left }));
        matched.flat.take(taken.flat);
        ways.push(matched);
        Ok(())
    }
}

/// Marks the columns of a side that may be missing.
fn perhaps(frame: &mut Frame, side: &Frame) {
    let of_side = |alias: &String| side.aliases.iter().any(|(known, _)| known == alias);
    for (_, outputs) in frame.aliases.iter_mut().filter(|(alias, _)| of_side(alias)) {
        outputs.iter_mut().for_each(|output| output.nullable = true);
    }
    for output in frame.merged.iter_mut().filter(|output| side.merged.iter().any(|known| known.name == output.name)) {
        output.nullable = true;
    }
}

/// The merged columns of USING come before those of the same name.
fn merge(frame: &mut Frame, columns: Vec<Output>) {
    frame.merged.retain(|known| !columns.iter().any(|column| column.name == known.name));
    frame.merged.extend(columns.into_iter().map(|column| Output { range: None, ..column }));
}
