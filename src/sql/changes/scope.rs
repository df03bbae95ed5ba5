//! What names mean, and expressions over them.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::Known;
use super::flat::{Expr, Output};
use super::node::{Callee, any, bare, callee, clock, has_token, is_query, name};

/// The names of one FROM.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    pub aliases: Vec<(String, Vec<Output>)>,
    /// Columns that a join merged, named without an alias.
    pub merged: Vec<Output>,
}

impl Frame {
    /// A column by its name alone, as a join looks for it.
    pub fn by_name(&self, wanted: &str) -> Option<&Output> {
        let merged = self.merged.iter().find(|output| output.name == wanted);
        let mut all = self.aliases.iter().flat_map(|(_, outputs)| outputs);
        merged.or_else(|| all.find(|output| output.name == wanted))
    }
}

/// A query of a WITH clause.
#[derive(Debug, Clone)]
pub(super) struct Cte {
    pub name: String,
    pub query: SyntaxNode,
    pub columns: Vec<String>,
}

/// What is visible at a place.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Innermost last.
    pub frames: Vec<Frame>,
    pub ctes: Vec<Cte>,
    /// The text is that of the query itself, and read once: a condition may be put into it.
    pub main: bool,
}

impl Scope {
    pub fn within(&self, frame: &Frame) -> Scope {
        let mut scope = self.clone();
        scope.frames.push(frame.clone());
        scope
    }

    /// The column behind a name.
    pub fn column(&self, node: &SyntaxNode) -> Option<&Output> {
        let parts: Vec<SyntaxNode> = node.children().collect();
        match (node.kind(), &parts[..]) {
            (SyntaxKind::FIELD_EXPR, [alias, column]) => {
                let names = alias.kind() == SyntaxKind::NAME_REF && column.kind() == SyntaxKind::NAME_REF;
                let (alias, column) = (name(alias), name(column));
                let mut frames = self.frames.iter().rev();
                let of = frames.find_map(|frame| frame.aliases.iter().find(|(known, _)| *known == alias));
                let (_, outputs) = of.filter(|_| names)?;
                outputs.iter().find(|output| output.name == column)
            }
            (SyntaxKind::NAME_REF, []) => {
                let column = name(node);
                let frame = self.frames.last()?;
                if let Some(output) = frame.merged.iter().find(|output| output.name == column) {
                    return Some(output);
                }
                let (_, outputs) = frame.aliases.first().filter(|_| frame.aliases.len() == 1)?;
                outputs.iter().find(|output| output.name == column)
            }
            _ => None,
        }
    }

    /// What an expression is in terms of items; `None` where it is more than that: an aggregate, a query, the time, a column that does
    /// not commute.
    pub fn expression(&self, node: &SyntaxNode, known: &Known) -> Option<Expr> {
        self.with_clock(node, known, None)
    }

    /// A condition: as [`Scope::expression`], and one that no NULL meets may speak of columns that are perhaps missing.
    pub fn condition(&self, node: &SyntaxNode, known: &Known) -> Option<Expr> {
        let mut expr = Expr::default();
        Reading { scope: self, known, now: None, strict: is_strict(node) }.read(node, &mut expr)?;
        Some(expr)
    }

    /// As [`Scope::expression`], with the time of the refresh in it: as it is, or as `clock` says.
    pub fn with_clock(&self, node: &SyntaxNode, known: &Known, clock: Option<&str>) -> Option<Expr> {
        let mut expr = Expr::default();
        Reading { scope: self, known, now: clock, strict: false }.read(node, &mut expr)?;
        Some(expr)
    }

    /// A call that gives rows, with its arguments in terms of items.
    pub fn call(&self, node: &SyntaxNode, known: &Known) -> Option<Expr> {
        let mut expr = Expr::default();
        Reading { scope: self, known, now: None, strict: false }.parts(node, true, &mut expr)?;
        Some(expr)
    }

    /// The rows of VALUES, in terms of items.
    pub fn values(&self, node: &SyntaxNode, known: &Known) -> Option<Expr> {
        let mut expr = Expr::default();
        Reading { scope: self, known, now: None, strict: false }.parts(node, false, &mut expr)?;
        Some(expr)
    }

    /// A result column: what a plain column is, with all that is known of it, or an expression.
    pub fn output(&self, node: &SyntaxNode, known: &Known) -> Output {
        if let Some(output) = self.column(&bare(node)) {
            return if output.nullable { Output::opaque(&output.name) } else { output.clone() };
        }
        Output { expr: self.expression(node, known), ..Output::default() }
    }
}

/// Whether an expression has the time of the refresh in it.
pub(super) fn has_clock(node: &SyntaxNode) -> bool {
    any(node, &clock)
}

/// The time of the refresh as the query spells it.
pub(super) const AS_IT_IS: &str = "";

/// Whether a call makes many rows of one.
pub(super) fn gives_rows(node: &SyntaxNode, known: &Known) -> bool {
    any(node, &|inner| match callee(inner) {
        Some(Callee::Own(name)) => known.functions.get(&name).is_some_and(|function| function.set),
        Some(Callee::Made(schema, name)) => {
            known.made.get(&crate::state::QName::new(schema, name)).is_some_and(|function| function.set)
        }
        None => false,
    })
}

/// Whether a call computes one value of many rows.
pub(super) fn is_aggregate(node: &SyntaxNode, known: &Known) -> bool {
    let over = node.children().any(|child| child.kind() == SyntaxKind::OVER_CLAUSE);
    let aggregate = match callee(node) {
        Some(Callee::Own(name)) => known.functions.get(&name).is_some_and(|function| function.aggregate),
        Some(Callee::Made(schema, name)) => {
            known.made.get(&crate::state::QName::new(schema, name)).is_some_and(|function| function.aggregate)
        }
        None => false,
    };
    aggregate && !over
}

struct Reading<'a> {
    scope: &'a Scope,
    known: &'a Known,
    now: Option<&'a str>,
    /// What is read is never true of NULL.
    strict: bool,
}

impl Reading<'_> {
    fn read(&self, node: &SyntaxNode, expr: &mut Expr) -> Option<()> {
        use SyntaxKind as K;
        let kind = node.kind();
        if clock(node) {
            let now = self.now?;
            expr.push_text(&moment(node, now));
            return Some(());
        }
        match kind {
            _ if is_query(kind) => None,
            K::FIELD_EXPR if node.first_child().is_some_and(|base| base.kind() == K::NAME_REF) => {
                self.column(node, expr)
            }
            K::NAME_REF => self.column(node, expr),
            K::CALL_EXPR => {
                let over = node.children().any(|child| child.kind() == K::OVER_CLAUSE);
                if over || is_aggregate(node, self.known) || self.is_special(node) {
                    return None;
                }
                self.parts(node, callee(node).is_some(), expr)
            }
            K::LITERAL => {
                expr.push_text(&node.text().to_string());
                Some(())
            }
            // The field of a composite value, and the type of a cast: names that are no columns.
            K::FIELD_EXPR => {
                if has_token(node, K::STAR) {
                    return None;
                }
                let base = node.first_child()?;
                self.read(&base, expr)?;
                let field = node.text().to_string();
                expr.push_text(field.get(base.text().to_string().len()..)?);
                Some(())
            }
            _ if is_type(kind) => {
                expr.push_text(&node.text().to_string());
                Some(())
            }
            _ => self.parts(node, false, expr),
        }
    }

    /// `GROUPING(…)` is about the group, not about its rows.
    fn is_special(&self, node: &SyntaxNode) -> bool {
        let many = gives_rows(node, self.known);
        many || matches!(callee(node), Some(Callee::Own(name)) if name == "grouping")
    }

    fn column(&self, node: &SyntaxNode, expr: &mut Expr) -> Option<()> {
        let output = self.scope.column(node).filter(|output| !output.cast && (self.strict || !output.nullable))?;
        expr.push(output.expr.as_ref()?);
        Some(())
    }

    /// The parts in their order; the first node as it is written where it is a function's name.
    fn parts(&self, node: &SyntaxNode, named: bool, expr: &mut Expr) -> Option<()> {
        let mut first = named;
        for element in node.children_with_tokens() {
            if let Some(token) = element.as_token() {
                match token.text().trim().is_empty() {
                    true => expr.push_text(" "),
                    false => expr.push_text(token.text()),
                }
            } else if let Some(inner) = element.as_node() {
                match std::mem::take(&mut first) {
                    true => expr.push_text(&inner.text().to_string()),
                    false => self.read(inner, expr)?,
                }
            }
        }
        Some(())
    }
}

/// The time of the refresh: as it is, or an expression for it.
fn moment(node: &SyntaxNode, now: &str) -> String {
    let own = node.text().to_string();
    if now == AS_IT_IS {
        return own;
    }
    match own.to_ascii_uppercase().as_str() {
        "CURRENT_DATE" => format!("({now})::date"),
        "LOCALTIMESTAMP" => format!("({now})::timestamp without time zone"),
        _ => format!("({now})"),
    }
}

fn is_type(kind: SyntaxKind) -> bool {
    use SyntaxKind as K;
    matches!(
        kind,
        K::PATH_TYPE
            | K::BIT_TYPE
            | K::BIT_VARYING_TYPE
            | K::CHARACTER_TYPE
            | K::VARCHAR_TYPE
            | K::DOUBLE_TYPE
            | K::INTERVAL_TYPE
            | K::TIME_TYPE
            | K::TIMESTAMP_TYPE
            | K::ARRAY_TYPE
            | K::COLLATION_REF
            | K::EXTRACT_FIELD_NAME
            | K::OPERATOR_CALL
    )
}

/// Whether the join found no row for one side of a comparison, so that it never holds.
pub(super) fn never(node: &SyntaxNode, scope: &Scope) -> bool {
    let node = bare(node);
    let comparison = is_comparison(&node);
    let missing = |side: &SyntaxNode| {
        let mut side = bare(side);
        while side.kind() == SyntaxKind::CAST_EXPR
            && let Some(inner) = side.first_child()
        {
            side = bare(&inner);
        }
        scope.column(&side).and_then(|output| output.expr.as_ref()).is_some_and(Expr::is_null)
    };
    comparison && node.children().any(|side| missing(&side))
}

/// Whether a condition compares columns, and so is never true of NULL.
fn is_strict(node: &SyntaxNode) -> bool {
    let plain = |side: SyntaxNode| {
        let side = bare(&side);
        let side = if side.kind() == SyntaxKind::CAST_EXPR {
            side.first_child().map(|inner| bare(&inner))
        } else {
            Some(side)
        };
        side.is_some_and(|side| {
            matches!(side.kind(), SyntaxKind::FIELD_EXPR | SyntaxKind::NAME_REF | SyntaxKind::LITERAL)
        })
    };
    is_comparison(&bare(node)) && bare(node).children().filter(|side| side.kind() != SyntaxKind::OP).all(plain)
}

fn is_comparison(node: &SyntaxNode) -> bool {
    use SyntaxKind as K;
    let op = |kind: K| matches!(kind, K::EQ | K::LTEQ | K::GTEQ | K::NEQ | K::NEQB | K::L_ANGLE | K::R_ANGLE);
    node.kind() == K::BIN_EXPR && node.children_with_tokens().any(|element| op(element.kind()))
}

/// Whether a condition says that two things are equal.
pub(super) fn is_equality(node: &SyntaxNode) -> bool {
    let node = bare(node);
    node.kind() == SyntaxKind::BIN_EXPR && has_token(&node, SyntaxKind::EQ)
}

/// The columns that a join without rows on that side shows.
pub(super) fn missing(frame: &Frame) -> Frame {
    let gone = |outputs: &Vec<Output>| outputs.iter().map(Output::missing).collect();
    Frame {
        aliases: frame.aliases.iter().map(|(alias, outputs)| (alias.clone(), gone(outputs))).collect(),
        merged: gone(&frame.merged),
    }
}
