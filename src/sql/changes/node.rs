//! Looking at nodes of the tree.

use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use super::super::fold_identifier;
use super::Obstacle;

/// The one statement of a text.
pub(super) fn statement(sql: &str) -> Result<SyntaxNode, Obstacle> {
    let parse = SourceFile::parse(sql);
    if let Some(error) = parse.errors().into_iter().next() {
        return Err(Obstacle::at("", format!("the server's text is not understood: {}", error.message())));
    }
    let root = parse.syntax_node();
    root.children()
        .find(|node| node.kind() != SyntaxKind::EMPTY_STMT)
        .ok_or_else(|| Obstacle::at("", "the server's text is empty"))
}

/// The text of a node, blanks as one.
pub(super) fn text(node: &SyntaxNode) -> String {
    let words = node.text().to_string();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn child(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

pub(super) fn has_token(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children_with_tokens().any(|element| element.kind() == kind)
}

/// The parts of a name, folded.
pub(super) fn path(node: &SyntaxNode) -> Vec<String> {
    let parts = node.descendants().filter(|inner| inner.kind() == SyntaxKind::PATH_SEGMENT_REF);
    parts.map(|part| name(&part)).collect()
}

/// A name, folded.
pub(super) fn name(node: &SyntaxNode) -> String {
    fold_identifier(node.text().to_string().trim())
}

pub(super) fn is_query(kind: SyntaxKind) -> bool {
    use SyntaxKind as K;
    matches!(kind, K::SELECT | K::COMPOUND_SELECT | K::PAREN_SELECT | K::VALUES)
}

/// What is within brackets.
pub(super) fn bare(node: &SyntaxNode) -> SyntaxNode {
    let mut node = node.clone();
    while node.kind() == SyntaxKind::PAREN_EXPR
        && let Some(inner) = node.first_child()
    {
        node = inner;
    }
    node
}

/// The outermost queries within an expression.
pub(super) fn queries(node: &SyntaxNode) -> Vec<SyntaxNode> {
    let mut found = Vec::new();
    gather(node, &mut found);
    found
}

fn gather(node: &SyntaxNode, found: &mut Vec<SyntaxNode>) {
    if is_query(node.kind()) {
        found.push(node.clone());
        return;
    }
    node.children().for_each(|child| gather(&child, found));
}

/// Whether some node of an expression is such, queries within it left out.
pub(super) fn any(node: &SyntaxNode, test: &dyn Fn(&SyntaxNode) -> bool) -> bool {
    test(node) || node.children().any(|child| !is_query(child.kind()) && any(&child, test))
}

/// What a call calls.
pub(super) enum Callee {
    /// One of the server's own.
    Own(String),
    /// One with a schema before it.
    Made(String, String),
}

/// What a call calls; `None` for syntax that looks like a call.
pub(super) fn callee(node: &SyntaxNode) -> Option<Callee> {
    let called = node.first_child().filter(|_| node.kind() == SyntaxKind::CALL_EXPR)?;
    match called.kind() {
        SyntaxKind::NAME_REF => Some(Callee::Own(name(&called))),
        SyntaxKind::FIELD_EXPR => {
            let parts: Vec<String> = called.children().map(|part| name(&part)).collect();
            match &parts[..] {
                [schema, own] if schema == "pg_catalog" => Some(Callee::Own(own.clone())),
                [schema, own] => Some(Callee::Made(schema.clone(), own.clone())),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a node is the time of the refresh.
pub(super) fn clock(node: &SyntaxNode) -> bool {
    use SyntaxKind as K;
    match node.kind() {
        K::NAME_REF => {
            let token = node.first_token().map(|token| token.kind());
            matches!(token, Some(K::CURRENT_DATE_KW | K::CURRENT_TIMESTAMP_KW | K::LOCALTIMESTAMP_KW))
        }
        K::CALL_EXPR => match callee(node) {
            Some(Callee::Own(name)) => matches!(name.as_str(), "now" | "transaction_timestamp"),
            _ => false,
        },
        _ => false,
    }
}
