//! What a mart's query must not be, or have inside.

use std::ops::Range;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::part::{QueryError, span, token_span};

fn refuse(message: impl Into<String>, span: Range<usize>, help: &str) -> QueryError {
    QueryError { message: message.into(), span, help: Some(help.to_owned()) }
}

/// No statement at all.
pub(super) fn nothing(text: &str) -> QueryError {
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len().max(start);
    refuse("the query is empty", start..end, "write one SELECT, VALUES or TABLE")
}

/// A statement that is no query.
pub(super) fn other_statement(statement: &SyntaxNode) -> Result<(), QueryError> {
    use SyntaxKind::{COMPOUND_SELECT, PAREN_SELECT, SELECT, SELECT_INTO, TABLE, VALUES};
    if matches!(statement.kind(), SELECT | SELECT_INTO | VALUES | TABLE | COMPOUND_SELECT | PAREN_SELECT) {
        return Ok(());
    }
    let Some(verb) = verb(statement) else {
        return Ok(());
    };
    Err(refuse(
        format!("a mart's query is a SELECT, VALUES or TABLE, not {}", verb.0),
        verb.1,
        "keep only the query; datamart writes the statement around it",
    ))
}

/// The statement's own first word, behind a WITH clause; `None` where there is nothing but that clause.
fn verb(statement: &SyntaxNode) -> Option<(String, Range<usize>)> {
    if statement.kind() == SyntaxKind::WITH_CLAUSE {
        return None;
    }
    let token = statement
        .children_with_tokens()
        .filter(|e| !matches!(e.kind(), SyntaxKind::WITH_CLAUSE | SyntaxKind::WHITESPACE | SyntaxKind::COMMENT))
        .find_map(|e| match e.as_node() {
            Some(node) => node.first_token(),
            None => e.into_token(),
        })?;
    Some((token.text().to_uppercase(), token_span(&token)))
}

/// A statement after the first.
pub(super) fn second_statement(statement: &SyntaxNode) -> QueryError {
    refuse(
        "a second statement begins here",
        span(statement),
        "a mart has exactly one query; put the other one into a mart of its own",
    )
}

/// Anything inside a query that writes, locks or waits for a value.
pub(super) fn inside(statement: &SyntaxNode) -> Result<(), QueryError> {
    for element in statement.descendants_with_tokens() {
        let range = element.text_range();
        let place = usize::from(range.start())..usize::from(range.end());
        match element.kind() {
            SyntaxKind::INSERT | SyntaxKind::UPDATE | SyntaxKind::DELETE | SyntaxKind::MERGE => {
                let word = element.as_node().and_then(verb).map_or_else(|| "this".to_owned(), |(word, _)| word);
                return Err(refuse(
                    format!("a mart's query must not change data, as {word} does"),
                    place,
                    "read the rows with a SELECT",
                ));
            }
            SyntaxKind::INTO_CLAUSE => {
                return Err(refuse(
                    "a mart's query must not be a SELECT INTO",
                    place,
                    "remove the INTO clause; datamart creates the relation",
                ));
            }
            SyntaxKind::LOCKING_CLAUSE => {
                return Err(refuse(
                    "a mart's query must not lock rows",
                    place,
                    "remove the FOR UPDATE or FOR SHARE clause",
                ));
            }
            SyntaxKind::POSITIONAL_PARAM => {
                return Err(refuse("a mart's query has no parameters", place, "write the value itself"));
            }
            _ => {}
        }
    }
    Ok(())
}
