//! Queries taken apart into flat joins.

use std::collections::BTreeSet;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::flat::{Cond, Crossing, Expr, Flat, Item};
use super::lowering::{Joined, Lowering, MAX_WAYS, Taken, constant, few, hide, is_limited, many, moves, names};
use super::node::{bare, child, has_token, is_query, name, queries, statement, text};
use super::scope::{AS_IT_IS, Cte, Scope, has_clock, is_equality, never};
use super::{Obstacle, allowed, block};
use crate::state::QName;

/// Views within views, deeper than anybody writes.
const MAX_DEPTH: usize = 40;

impl Lowering<'_> {
    /// A query of any form.
    pub fn query(&mut self, node: &SyntaxNode, scope: &Scope) -> Result<Vec<Flat>, Obstacle> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Obstacle::at("", "queries stand too deep within each other"));
        }
        let flats = self.any_query(node, scope);
        self.depth -= 1;
        let mut flats = flats?;
        flats.retain(|flat| !flat.dead);
        few(&flats)?;
        Ok(flats)
    }

    fn any_query(&mut self, node: &SyntaxNode, scope: &Scope) -> Result<Vec<Flat>, Obstacle> {
        use SyntaxKind as K;
        match node.kind() {
            K::SELECT => block::select(self, node, scope),
            K::COMPOUND_SELECT => self.compound(node, scope),
            K::PAREN_SELECT | K::PAREN_EXPR => {
                let scope = self.with(node, scope)?;
                let inner = node.children().find(|child| is_query(child.kind()) || child.kind() == K::PAREN_EXPR);
                let inner = inner.ok_or_else(|| Obstacle::at("", "a query in brackets is not understood"))?;
                let mut flats = self.query(&inner, &scope)?;
                if is_limited(node) {
                    flats.iter_mut().for_each(hide);
                }
                Ok(flats)
            }
            K::VALUES => {
                constant(node)?;
                Ok(vec![Flat::default()])
            }
            _ => Err(Obstacle::at(&text(node), format!("`{}` is not understood", text(node)))),
        }
    }

    /// The scope with the queries of a WITH clause.
    pub fn with(&self, node: &SyntaxNode, scope: &Scope) -> Result<Scope, Obstacle> {
        let mut scope = scope.clone();
        let Some(clause) = child(node, SyntaxKind::WITH_CLAUSE) else { return Ok(scope) };
        for table in clause.children().filter(|child| child.kind() == SyntaxKind::WITH_TABLE) {
            let own = child(&table, SyntaxKind::CTE_NAME).map(|node| name(&node));
            let query = table.children().find(|child| is_query(child.kind()));
            let (Some(own), Some(query)) = (own, query) else {
                return Err(Obstacle::at("WITH", "a query of WITH is not understood"));
            };
            let columns = child(&table, SyntaxKind::COLUMN_LIST).map(|list| names(&list)).unwrap_or_default();
            scope.ctes.push(Cte { name: own, query, columns });
        }
        Ok(scope)
    }

    /// UNION, INTERSECT, EXCEPT: a row of a branch, present or gone, decides about rows equal to it.
    fn compound(&mut self, node: &SyntaxNode, scope: &Scope) -> Result<Vec<Flat>, Obstacle> {
        let mut scope = self.with(node, scope)?;
        // A WITH clause before all branches stands in the first one.
        let mut first = node.first_child();
        while let Some(left) = first {
            if left.kind() == SyntaxKind::SELECT {
                scope = self.with(&left, &scope)?;
            }
            first = (left.kind() == SyntaxKind::COMPOUND_SELECT).then(|| left.first_child()).flatten();
        }
        let operand = |child: &SyntaxNode| is_query(child.kind()) || child.kind() == SyntaxKind::PAREN_EXPR;
        let mut flats: Vec<Flat> = Vec::new();
        let mut names: Option<Vec<String>> = None;
        for branch in node.children().filter(operand) {
            let of_branch = self.query(&branch, &scope)?;
            if names.is_none() {
                names = of_branch.first().map(|flat| flat.outputs.iter().map(|o| o.name.clone()).collect());
            }
            flats.extend(of_branch);
        }
        let names = names.unwrap_or_default();
        for (at, name) in names.iter().enumerate() {
            let types: BTreeSet<Option<String>> = flats.iter().map(|flat| type_of(flat, at)).collect();
            let one = types.len() == 1 && !types.contains(&None);
            for output in flats.iter_mut().filter_map(|flat| flat.outputs.get_mut(at)) {
                output.name.clone_from(name);
                output.cast |= !one;
                output.type_name = types.first().cloned().flatten().filter(|_| one);
                output.range = None;
            }
        }
        if is_limited(node) {
            flats.iter_mut().for_each(hide);
        }
        Ok(flats)
    }

    /// Takes in a condition: what it says of items, what moves with the clock, and the queries within it.
    pub fn condition(
        &self,
        node: &SyntaxNode,
        scope: &Scope,
        with: &BTreeSet<Item>,
        into: &mut Taken,
    ) -> Result<(), Obstacle> {
        let node = bare(node);
        if node.kind() == SyntaxKind::BIN_EXPR && has_token(&node, SyntaxKind::AND_KW) {
            for side in node.children().filter(|side| side.kind() != SyntaxKind::OP) {
                self.condition(&side, scope, with, into)?;
            }
            return Ok(());
        }
        let within = queries(&node);
        if !within.is_empty() {
            into.queries.push((node.clone(), true));
            if has_clock(&node) {
                return Err(moves(&node));
            }
            return Ok(());
        }
        into.flat.dead |= never(&node, scope);
        if has_clock(&node) {
            into.flat.crossings.push(self.crossing(&node, scope)?);
            return Ok(());
        }
        if let Some(expr) = scope.condition(&node, self.known) {
            into.flat.conds.push(Cond { expr, equality: is_equality(&node), with: with.clone() });
        }
        Ok(())
    }

    /// How rows are found for which a condition on the time changed between two refreshes.
    fn crossing(&self, node: &SyntaxNode, scope: &Scope) -> Result<Crossing, Obstacle> {
        use SyntaxKind as K;
        let known = self.known;
        let then = scope.with_clock(node, known, Some("{since}"));
        let now = scope.with_clock(node, known, Some(AS_IT_IS));
        let (Some(whole_then), Some(whole_now)) = (then, now) else { return Err(moves(node)) };
        if whole_now.items().is_empty() {
            return Err(moves(node));
        }
        let between = node.kind() == K::BIN_EXPR
            && node
                .children_with_tokens()
                .any(|element| matches!(element.kind(), K::LTEQ | K::GTEQ | K::L_ANGLE | K::R_ANGLE));
        let sides: Vec<SyntaxNode> = node.children().collect();
        let mut crossed = Expr::default();
        if let (true, [left, right]) = (between, &sides[..]) {
            let (value, bound) = if has_clock(left) { (right, left) } else { (left, right) };
            let value = scope.expression(value, known).filter(|value| !value.items().is_empty());
            let then = scope.with_clock(bound, known, Some("{since}"));
            let now = scope.with_clock(bound, known, Some(AS_IT_IS)).filter(|bound| bound.items().is_empty());
            if let (Some(value), Some(then), Some(now)) = (value, then, now) {
                // Between the two bounds, so that an index serves; both ends, whatever the comparison.
                for (op, pick) in [(" >= LEAST(", " AND "), (" <= GREATEST(", "")] {
                    crossed.push(&value);
                    crossed.push_text(op);
                    crossed.push(&then);
                    crossed.push_text(", ");
                    crossed.push(&now);
                    crossed.push_text(")");
                    crossed.push_text(pick);
                }
                // On the edge of a bound that stood still nothing crossed it.
                crossed.push_text(" AND ");
                crossed.push(&whole_then);
                crossed.push_text(" IS DISTINCT FROM ");
                crossed.push(&whole_now);
                return Ok(Crossing { bound: text(node), crossed });
            }
        }
        crossed.push(&whole_then);
        crossed.push_text(" IS DISTINCT FROM ");
        crossed.push(&whole_now);
        Ok(Crossing { bound: text(node), crossed })
    }

    /// The ways of a block with those of the queries within its expressions: each is a join on what it has from outside.
    pub fn sideways(
        &mut self,
        joined: Vec<Joined>,
        found: &[(SyntaxNode, bool)],
        scope: &Scope,
    ) -> Result<Vec<Joined>, Obstacle> {
        let mut all = joined.clone();
        for (node, certain) in found {
            for query in queries(node) {
                for way in &joined {
                    let inner = scope.within(&way.frame);
                    for side in self.query(&query, &Scope { main: false, ..inner.clone() })? {
                        let mut flat = way.flat.beside(&side);
                        flat.crossings.clone_from(&side.crossings);
                        flat.outputs.clone_from(&way.flat.outputs);
                        self.among(node, &query, &inner, &side, *certain, &mut flat);
                        all.push(Joined { flat, frame: way.frame.clone() });
                    }
                }
                if all.len() > MAX_WAYS {
                    return Err(many());
                }
            }
        }
        all.retain(|way| !way.flat.dead);
        Ok(all)
    }

    /// `x IN (SELECT y …)`: a row of it is about the rows with x = y. Unless it is a condition of its own, NULL on either side makes it
    /// unknown instead of false, and that may be told apart.
    fn among(&self, node: &SyntaxNode, query: &SyntaxNode, scope: &Scope, side: &Flat, certain: bool, flat: &mut Flat) {
        let mut user = query.parent();
        while let Some(parent) = user.clone().filter(|parent| parent.kind() == SyntaxKind::PAREN_EXPR) {
            user = parent.parent();
        }
        let Some(user) = user.filter(|user| user.kind() == SyntaxKind::BIN_EXPR && has_token(user, SyntaxKind::IN_KW))
        else {
            return;
        };
        let Some(left) = user.first_child() else { return };
        let left = bare(&left);
        let values = match left.kind() {
            SyntaxKind::TUPLE_EXPR => left.children().collect(),
            _ => vec![left],
        };
        let certain = certain && bare(node) == user;
        for (value, output) in values.iter().zip(&side.outputs) {
            let value = scope.output(value, self.known);
            let (Some(one), Some(other)) =
                (value.expr.filter(|_| !value.cast), output.expr.as_ref().filter(|_| !output.cast))
            else {
                continue;
            };
            let mut expr = Expr::default();
            expr.push(&one);
            expr.push_text(" = ");
            expr.push(other);
            if !certain {
                for side in [&one, other] {
                    expr.push_text(" OR ");
                    expr.push(side);
                    expr.push_text(" IS NULL");
                }
            }
            flat.conds.push(Cond { expr, equality: certain, with: BTreeSet::new() });
        }
    }

    /// The ways of a view, under other names.
    pub fn view(&mut self, view: &QName) -> Result<Vec<Flat>, Obstacle> {
        let known = self.known;
        let Some(found) = known.views.get(view) else {
            return Err(Obstacle::at(&view.name, format!("{view} is not known")));
        };
        let node = statement(&found.definition)?;
        if self.checked.insert(view.clone()) {
            allowed::check(&node, known).map_err(|obstacle| obstacle.of_view(view))?;
            self.named.extend(allowed::relations(&node));
        }
        self.views.insert(view.clone());
        let mut flats = self.query(&node, &Scope::default()).map_err(|obstacle| obstacle.of_view(view))?;
        for flat in &mut flats {
            for (output, (name, type_name)) in flat.outputs.iter_mut().zip(&found.columns) {
                output.name.clone_from(name);
                output.range = None;
                if let Some(expr) = output.expr.as_ref().filter(|_| output.cast) {
                    output.expr = Some(expr.cast(type_name));
                }
                output.cast = false;
                output.type_name = Some(type_name.clone());
            }
        }
        Ok(flats)
    }
}

/// The type of a column, where the text or the tables say it.
fn type_of(flat: &Flat, at: usize) -> Option<String> {
    let output = flat.outputs.get(at).filter(|output| !output.cast)?;
    if output.type_name.is_some() {
        return output.type_name.clone();
    }
    let expr = output.expr.as_ref().filter(|expr| expr.items().is_empty())?;
    let text = expr.text(&|_| String::new());
    let (_, type_name) = text.trim_end_matches(')').rsplit_once("::")?;
    let word = |c: char| c.is_alphanumeric() || c == ' ' || c == '_';
    type_name.chars().all(word).then(|| type_name.to_owned())
}
