//! Where the lines of each part of a query end.

use squawk_syntax::{SyntaxElement, SyntaxKind, SyntaxNode};

use super::Builder;
use super::page::Doc;

/// A query that is no wider than this may stand on one line.
pub(super) const SHORT_QUERY: usize = 72;

/// A list, a condition or a call that is no wider than this may stand on one line.
const SHORT_LIST: usize = 100;

/// Lists of constants no wider than this fill lines instead of having one each.
const SHORT_ITEM: usize = 24;

/// Whether a node is a whole query.
fn is_query(kind: SyntaxKind) -> bool {
    use SyntaxKind::{COMPOUND_SELECT, PAREN_SELECT, SELECT, TABLE, VALUES};
    matches!(kind, SELECT | COMPOUND_SELECT | VALUES | TABLE | PAREN_SELECT)
}

/// AND or OR, where a node connects conditions with it.
fn connective(node: &SyntaxNode) -> Option<SyntaxKind> {
    let tokens = || node.children_with_tokens().filter_map(|element| element.into_token().map(|token| token.kind()));
    let is_binary = node.kind() == SyntaxKind::BIN_EXPR;
    tokens().find(|kind| is_binary && matches!(kind, SyntaxKind::AND_KW | SyntaxKind::OR_KW))
}

/// Whether a node is arithmetic or an operator of its own, before which a line may end.
fn is_operation(node: &SyntaxNode) -> bool {
    use SyntaxKind::{BIN_EXPR, CUSTOM_OP, MINUS, PLUS, SLASH, STAR};
    let operator = |kind| matches!(kind, CUSTOM_OP | PLUS | MINUS | STAR | SLASH);
    node.kind() == BIN_EXPR && node.children_with_tokens().any(|element| operator(element.kind()))
}

/// An element that is a token of a kind.
fn is_token(element: &SyntaxElement, kind: SyntaxKind) -> bool {
    element.as_token().is_some_and(|token| token.kind() == kind)
}

/// Where the bracket that `elements` begin with is closed.
fn closing(elements: &[SyntaxElement]) -> Option<usize> {
    use SyntaxKind::{L_BRACK, L_PAREN, R_BRACK, R_PAREN};
    let (open, close) = if is_token(elements.first()?, L_PAREN) { (L_PAREN, R_PAREN) } else { (L_BRACK, R_BRACK) };
    let mut depth = 0usize;
    for (i, element) in elements.iter().enumerate() {
        if is_token(element, open) {
            depth += 1;
        } else if is_token(element, close) {
            depth -= 1;
            if depth == 0 {
                return Some(i);
            }
        }
    }
    None
}

/// Whether a list is one of many small things, as IN takes them.
fn is_fill(elements: &[SyntaxElement]) -> bool {
    let nodes: Vec<&SyntaxNode> = elements.iter().filter_map(SyntaxElement::as_node).collect();
    let small = |node: &SyntaxNode| {
        let tokens = node.descendants_with_tokens().filter_map(SyntaxElement::into_token);
        let widths = tokens.filter(|t| t.kind() != SyntaxKind::WHITESPACE).map(|t| t.text().chars().count());
        widths.sum::<usize>() <= SHORT_ITEM
    };
    nodes.len() > 4 && nodes.into_iter().all(small)
}

impl Builder {
    pub(super) fn children(&mut self, node: &SyntaxNode) {
        self.elements(&node.children_with_tokens().collect::<Vec<_>>());
    }

    fn elements(&mut self, mut elements: &[SyntaxElement]) {
        while let Some((first, rest)) = elements.split_first() {
            let opens = is_token(first, SyntaxKind::L_PAREN) || is_token(first, SyntaxKind::L_BRACK);
            match closing(elements).filter(|_| opens) {
                Some(end) => {
                    self.brackets(&elements[..=end]);
                    elements = &elements[end + 1..];
                }
                None => {
                    self.element(first);
                    elements = rest;
                }
            }
        }
    }

    fn element(&mut self, element: &SyntaxElement) {
        match element {
            SyntaxElement::Node(node) => self.node(node),
            SyntaxElement::Token(token) => self.token(token),
        }
    }

    fn node(&mut self, node: &SyntaxNode) {
        use SyntaxKind as K;
        match node.kind() {
            K::SELECT | K::COMPOUND_SELECT | K::WINDOW_SPEC => self.clauses(node),
            K::FROM_CLAUSE if node.children().all(|item| item.kind() != K::JOIN_EXPR) => {
                self.group(SHORT_QUERY, |b| b.list(node));
            }
            K::TARGET_LIST | K::ROW_LIST | K::FROM_CLAUSE => self.list(node),
            K::GROUP_BY_CLAUSE | K::ORDER_BY_CLAUSE => self.group(SHORT_LIST, |b| b.children(node)),
            K::GROUP_BY_LIST | K::SORT_BY_LIST => self.list(node),
            K::WINDOW_CLAUSE => self.group(SHORT_LIST, |b| b.list(node)),
            K::WITH_CLAUSE => self.separated(node, SyntaxKind::WITH_TABLE),
            K::JOIN_EXPR => self.separated(node, SyntaxKind::JOIN),
            K::WHERE_CLAUSE | K::HAVING_CLAUSE | K::ON_CLAUSE => self.condition(node),
            K::CASE_EXPR => self.group(SHORT_QUERY, |b| b.case(node)),
            K::WHEN_CLAUSE => self.group(SHORT_LIST, |b| b.when(node)),
            K::BIN_EXPR if connective(node).is_some() => {
                self.group(SHORT_LIST, |b| b.indent(|b| b.connected(node)));
            }
            K::BIN_EXPR if is_operation(node) => self.group(SHORT_LIST, |b| b.indent(|b| b.operation(node))),
            _ => self.children(node),
        }
    }

    /// The clauses of a query or the operands of UNION, each on its line.
    fn clauses(&mut self, node: &SyntaxNode) {
        let operands = node.kind() == SyntaxKind::COMPOUND_SELECT;
        for element in node.children_with_tokens() {
            match element {
                SyntaxElement::Token(token) => self.token(&token),
                SyntaxElement::Node(child) => {
                    self.line(Doc::Line);
                    if operands && is_query(child.kind()) && child.kind() != SyntaxKind::COMPOUND_SELECT {
                        self.group(SHORT_QUERY, |b| b.node(&child));
                    } else {
                        self.node(&child);
                    }
                }
            }
        }
    }

    /// Things in a row: one stays where it is, more have a line each, one level deeper.
    fn list(&mut self, node: &SyntaxNode) {
        if node.children().count() == 1 {
            return self.children(node);
        }
        for element in node.children_with_tokens() {
            match element {
                SyntaxElement::Node(child) => self.indent(|b| {
                    b.line(Doc::Line);
                    b.node(&child);
                }),
                SyntaxElement::Token(token) if token.kind() == SyntaxKind::COMMENT => self.indent(|b| b.token(&token)),
                SyntaxElement::Token(token) => self.token(&token),
            }
        }
    }

    /// Children of one kind have a line each.
    fn separated(&mut self, node: &SyntaxNode, kind: SyntaxKind) {
        for element in node.children_with_tokens() {
            // The first CTE stands behind WITH.
            let follows = kind != SyntaxKind::WITH_TABLE || self.last == Some(SyntaxKind::COMMA);
            if element.kind() == kind && (follows || self.last == Some(SyntaxKind::COMMENT)) {
                self.line(Doc::Line);
            }
            self.element(&element);
        }
    }

    /// A clause with a condition.
    fn condition(&mut self, node: &SyntaxNode) {
        self.group(SHORT_LIST, |b| {
            for element in node.children_with_tokens() {
                match element {
                    SyntaxElement::Node(child) if connective(&child).is_some() => b.indent(|b| b.connected(&child)),
                    other => b.element(&other),
                }
            }
        });
    }

    /// Conditions with AND or OR between them, each on its line.
    fn connected(&mut self, node: &SyntaxNode) {
        let word = connective(node);
        for element in node.children_with_tokens() {
            match &element {
                SyntaxElement::Token(token) if Some(token.kind()) == word => {
                    self.line(Doc::Line);
                    self.token(token);
                }
                SyntaxElement::Node(child) if connective(child) == word => self.connected(child),
                other => self.element(other),
            }
        }
    }

    /// Operands with operators before which a line may end.
    fn operation(&mut self, node: &SyntaxNode) {
        for (i, element) in node.children_with_tokens().enumerate() {
            match &element {
                SyntaxElement::Node(child) if is_operation(child) => self.operation(child),
                other => {
                    use SyntaxKind::{COMMENT, CUSTOM_OP, WHITESPACE};
                    let operator = match other {
                        SyntaxElement::Node(child) => child.kind() == CUSTOM_OP,
                        SyntaxElement::Token(token) => !matches!(token.kind(), WHITESPACE | COMMENT),
                    };
                    // Without a blank it might become part of another operator, or cease to be.
                    if i > 0 && operator && !self.blank.is_empty() {
                        self.line(Doc::Line);
                    }
                    self.element(other);
                }
            }
        }
    }

    fn case(&mut self, node: &SyntaxNode) {
        for element in node.children_with_tokens() {
            match &element {
                SyntaxElement::Node(child) if child.kind() == SyntaxKind::WHEN_CLAUSE_LIST => {
                    for element in child.children_with_tokens() {
                        self.indent(|b| {
                            if element.as_node().is_some() {
                                b.line(Doc::Line);
                            }
                            b.element(&element);
                        });
                    }
                }
                SyntaxElement::Node(child) if child.kind() == SyntaxKind::ELSE_CLAUSE => self.indent(|b| {
                    b.line(Doc::Line);
                    b.node(child);
                }),
                SyntaxElement::Token(token) if token.kind() == SyntaxKind::END_KW => {
                    self.line(Doc::Line);
                    self.token(token);
                }
                other => self.element(other),
            }
        }
    }

    fn when(&mut self, node: &SyntaxNode) {
        let elements: Vec<_> = node.children_with_tokens().collect();
        let then = elements.iter().position(|element| is_token(element, SyntaxKind::THEN_KW)).unwrap_or(elements.len());
        self.elements(&elements[..then]);
        self.indent(|b| {
            b.line(Doc::Line);
            b.elements(&elements[then..]);
        });
    }

    /// Brackets and what is in them.
    fn brackets(&mut self, elements: &[SyntaxElement]) {
        let [open, inner @ .., close] = elements else {
            return;
        };
        let has_query = inner.iter().any(|element| is_query(element.kind()));
        let empty = inner.iter().all(|element| is_token(element, SyntaxKind::WHITESPACE));
        self.group(if has_query { SHORT_QUERY } else { SHORT_LIST }, |b| {
            b.element(open);
            if !empty {
                b.indent(|b| {
                    b.line(Doc::Soft);
                    b.bracketed(inner);
                });
                b.line(Doc::Soft);
            }
            b.element(close);
        });
    }

    /// A list in brackets, or the one thing in them.
    fn bracketed(&mut self, elements: &[SyntaxElement]) {
        let fill = is_fill(elements);
        let mut after_comma = false;
        for element in elements {
            if let SyntaxElement::Node(node) = element {
                if after_comma {
                    self.line(if fill { Doc::Fill } else { Doc::Line });
                } else if node.kind() == SyntaxKind::ORDER_BY_CLAUSE {
                    self.line(Doc::Line);
                }
                after_comma = false;
            }
            after_comma |= is_token(element, SyntaxKind::COMMA);
            match element {
                SyntaxElement::Node(node) if connective(node).is_some() => self.connected(node),
                other => self.element(other),
            }
        }
    }
}
