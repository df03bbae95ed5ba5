//! The relations a query reads, with the scopes of its CTEs.

use std::ops::Range;

use squawk_syntax::{SyntaxKind, SyntaxNode, SyntaxToken};

use super::identifier::fold_identifier;
use super::part::{Qualifier, RelationRef, span, token_span};

/// How a relation stands in the text.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// The word TABLE of `TABLE t`.
    pub table_word: Option<Range<usize>>,
    /// Where an alias would be written.
    pub alias_at: usize,
    /// Where the FROM clause (or `TABLE t`) around it begins: relations with the same number are neighbours.
    pub scope: usize,
}

/// What was found in one statement.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub relations: Vec<RelationRef>,
    pub sites: Vec<Site>,
    pub qualifiers: Vec<Qualifier>,
    pub types: Vec<RelationRef>,
}

/// All relations, all columns qualified by a schema, and all types qualified by one.
pub(super) fn collect(statement: &SyntaxNode) -> Found {
    let mut found = Found::default();
    for node in statement.descendants() {
        match node.kind() {
            SyntaxKind::RELATION_NAME_REF => relation(&node, &mut found),
            SyntaxKind::FIELD_EXPR => found.qualifiers.extend(qualifier(&node)),
            SyntaxKind::PATH_TYPE => found.types.extend(qualified_type(&node)),
            _ => {}
        }
    }
    found
}

fn relation(node: &SyntaxNode, found: &mut Found) {
    let names = words(node);
    let Some(last) = names.last() else {
        return;
    };
    let name = fold_identifier(last.text());
    let schema = names.len().checked_sub(2).and_then(|i| names.get(i)).map(|t| fold_identifier(t.text()));
    if schema.is_none() && (is_value_function(last) || is_cte(node, &name)) {
        return;
    }
    let Some(site) = site(node) else {
        return;
    };
    let first = names.first().unwrap_or(last);
    found.relations.push(RelationRef {
        schema,
        name,
        span: token_span(first).start..token_span(last).end,
        aliased: site.1,
    });
    found.sites.push(site.0);
}

/// `schema.name` where a type stands: it may be the row type of a relation.
fn qualified_type(node: &SyntaxNode) -> Option<RelationRef> {
    let path = node.children().find(|child| !matches!(child.kind(), SyntaxKind::ARG_LIST))?;
    let names = words(&path);
    let [schema, name] = names.as_slice() else { return None };
    Some(RelationRef {
        schema: Some(fold_identifier(schema.text())),
        name: fold_identifier(name.text()),
        span: token_span(schema).start..token_span(name).end,
        aliased: true,
    })
}

/// The identifiers below a node, in order.
fn words(node: &SyntaxNode) -> Vec<SyntaxToken> {
    node.descendants_with_tokens()
        .filter_map(|e| e.into_token())
        .filter(|t| !matches!(t.kind(), SyntaxKind::DOT | SyntaxKind::WHITESPACE | SyntaxKind::COMMENT))
        .collect()
}

/// `current_date` and its like may stand in FROM as functions.
/// <https://www.postgresql.org/docs/current/sql-expressions.html#SQL-EXPRESSIONS-FUNCTION-CALLS>
fn is_value_function(token: &SyntaxToken) -> bool {
    token.kind() != SyntaxKind::IDENT
        && matches!(
            token.text().to_ascii_lowercase().as_str(),
            "current_catalog"
                | "current_date"
                | "current_role"
                | "current_schema"
                | "current_time"
                | "current_timestamp"
                | "current_user"
                | "localtime"
                | "localtimestamp"
                | "session_user"
                | "system_user"
                | "user"
        )
}

fn has_alias(node: &SyntaxNode) -> bool {
    node.children().any(|c| c.kind() == SyntaxKind::FROM_ALIAS)
}

/// The end of the name's own part of its item: behind `*` and the bracket of ONLY.
fn end_of_name(item: &SyntaxNode, name: &SyntaxNode) -> usize {
    item.children_with_tokens()
        .filter(|e| matches!(e.kind(), SyntaxKind::STAR | SyntaxKind::R_PAREN))
        .map(|e| usize::from(e.text_range().end()))
        .fold(span(name).end, usize::max)
}

/// The site of a name, and whether an alias follows; `None` where the name is no source of rows.
fn site(name: &SyntaxNode) -> Option<(Site, bool)> {
    let item = name.parent()?;
    let scope = name
        .ancestors()
        .find(|a| matches!(a.kind(), SyntaxKind::FROM_CLAUSE | SyntaxKind::TABLE))
        .map_or(0, |a| span(&a).start);
    if item.kind() == SyntaxKind::RELATION_NAME {
        let table = item.parent().filter(|t| t.kind() == SyntaxKind::TABLE)?;
        let word =
            table.children_with_tokens().filter_map(|e| e.into_token()).find(|t| t.kind() == SyntaxKind::TABLE_KW)?;
        let site = Site { table_word: Some(token_span(&word)), alias_at: end_of_name(&item, name), scope };
        return Some((site, false));
    }
    // `ONLY (t)` is an item in brackets in an item with the alias.
    let brackets = item
        .parent()
        .filter(|p| p.kind() == SyntaxKind::PAREN_EXPR)
        .and_then(|p| p.parent().map(|only| (p, only)))
        .filter(|(_, only)| {
            only.kind() == SyntaxKind::PAREN_FROM_ITEM
                && only.children_with_tokens().any(|e| e.kind() == SyntaxKind::ONLY_KW)
        });
    let (alias_at, aliased) = match brackets {
        Some((brackets, only)) => (span(&brackets).end, has_alias(&only)),
        None => (end_of_name(&item, name), has_alias(&item)),
    };
    let site = Site { table_word: None, alias_at, scope };
    Some((site, aliased))
}

/// Whether an unqualified name means a CTE where it stands.
/// <https://www.postgresql.org/docs/current/queries-with.html>
fn is_cte(node: &SyntaxNode, name: &str) -> bool {
    let mut body: Option<SyntaxNode> = None; // the CTE whose body we are in, on the way up
    let mut left: Vec<SyntaxNode> = Vec::new(); // WITH clauses we came out of
    for above in node.ancestors() {
        match above.kind() {
            SyntaxKind::WITH_TABLE => body = Some(above),
            SyntaxKind::WITH_CLAUSE => {
                let recursive = above.children_with_tokens().any(|e| e.kind() == SyntaxKind::RECURSIVE_KW);
                let mut visible = tables(&above).take_while(|table| recursive || body.as_ref() != Some(table));
                if visible.any(|table| cte_name(&table).as_deref() == Some(name)) {
                    return true;
                }
                left.push(above);
            }
            _ => {
                let hit = with_clause(&above)
                    .filter(|clause| !left.contains(clause))
                    .is_some_and(|clause| tables(&clause).any(|table| cte_name(&table).as_deref() == Some(name)));
                if hit {
                    return true;
                }
            }
        }
    }
    false
}

/// The WITH clause that covers a node: its own or, as a compound's clause stands in its first operand, that one's.
fn with_clause(node: &SyntaxNode) -> Option<SyntaxNode> {
    let mut node = node.clone();
    while node.kind() == SyntaxKind::COMPOUND_SELECT {
        node = node.first_child()?;
    }
    node.children().find(|c| c.kind() == SyntaxKind::WITH_CLAUSE)
}

fn tables(clause: &SyntaxNode) -> impl Iterator<Item = SyntaxNode> + use<> {
    clause.children().filter(|c| c.kind() == SyntaxKind::WITH_TABLE)
}

fn cte_name(table: &SyntaxNode) -> Option<String> {
    table
        .children()
        .find(|c| c.kind() == SyntaxKind::CTE_NAME)
        .and_then(|c| c.first_token())
        .map(|t| fold_identifier(t.text()))
}

/// `schema.relation` of `schema.relation.column`, of `schema.relation.*`, and the same behind a database's name.
fn qualifier(node: &SyntaxNode) -> Option<Qualifier> {
    let outer = node.parent().filter(|p| p.kind() == SyntaxKind::FIELD_EXPR)?;
    if outer.parent().is_some_and(|p| matches!(p.kind(), SyntaxKind::CALL_EXPR | SyntaxKind::FIELD_EXPR)) {
        return None;
    }
    let only_names = node.descendants().all(|n| matches!(n.kind(), SyntaxKind::FIELD_EXPR | SyntaxKind::NAME_REF));
    let names = words(node);
    let (Some(schema), Some(name)) = (names.len().checked_sub(2).and_then(|i| names.get(i)), names.last()) else {
        return None;
    };
    only_names.then(|| Qualifier {
        schema: fold_identifier(schema.text()),
        name: fold_identifier(name.text()),
        span: span(node),
    })
}
