//! Where in the user's own text an obstacle stands, and what a text speaks of.

use std::collections::BTreeSet;

use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use super::super::fold_identifier;
use super::Obstacle;
use super::node::{Callee, callee, path};
use crate::state::QName;

/// Where the clause stands, in characters from 1; the beginning where it is not found.
pub fn place(query: &str, obstacle: &Obstacle) -> Option<usize> {
    let root = SourceFile::parse(query).syntax_node();
    let tokens: Vec<(String, usize)> = root
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT))
        .map(|token| (fold_identifier(token.text()), usize::from(token.text_range().start())))
        .collect();
    let wanted: Vec<String> = obstacle.clause.iter().map(|word| word.to_lowercase()).collect();
    let exact: Vec<&String> = obstacle.clause.iter().collect();
    let same = |window: &[(String, usize)]| {
        window.iter().zip(&wanted).zip(&exact).all(|(((word, _), lower), exact)| word == lower || word == *exact)
    };
    let found = tokens.windows(wanted.len().max(1)).find(|window| !wanted.is_empty() && same(window));
    let first = tokens.first().map(|(_, at)| *at).unwrap_or_default();
    let at = found.and_then(|window| window.first()).map_or(first, |(_, at)| *at);
    Some(query.get(..at)?.chars().count() + 1)
}

/// What a text speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Relations with their schema.
    pub relations: BTreeSet<QName>,
    /// The server's own functions.
    pub functions: BTreeSet<String>,
    /// Functions with another schema.
    pub made: BTreeSet<QName>,
}

/// The relations and functions of a text that the server printed.
pub fn names(canonical: &str) -> Names {
    let root: SyntaxNode = SourceFile::parse(canonical).syntax_node();
    let mut names = Names::default();
    for node in root.descendants() {
        if node.kind() == SyntaxKind::RELATION_NAME_REF
            && let [schema, name] = &path(&node)[..]
        {
            names.relations.insert(QName::new(schema, name));
        }
        match callee(&node) {
            Some(Callee::Own(name)) => {
                names.functions.insert(name);
            }
            Some(Callee::Made(schema, name)) => {
                names.made.insert(QName::new(schema, name));
            }
            None => {}
        }
    }
    names
}
