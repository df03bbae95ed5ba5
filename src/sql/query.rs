//! A query, parsed.

use std::ops::Range;

use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use super::part::{Qualifier, QueryError, RelationRef, span, token_span};
use super::refusal;
use super::relation::{self, Site};

/// Brackets within brackets: beyond this a query is refused, so that no text exhausts the parser's stack.
const MAX_DEPTH: usize = 200;

/// Exactly one SELECT, VALUES or TABLE.
#[derive(Debug, Clone)]
pub struct Query {
    /// The text, without a final semicolon and what follows it.
    pub text: String,
    /// The relations it reads, CTEs left out, in order of appearance.
    pub relations: Vec<RelationRef>,
    /// How each of `relations` stands in the text.
    pub(super) sites: Vec<Site>,
    /// Columns qualified by schema and relation.
    pub(super) qualifiers: Vec<Qualifier>,
    /// Types qualified by a schema, in order of appearance: row types of relations may be among them.
    pub types: Vec<RelationRef>,
}

impl Query {
    /// Reads one SELECT, VALUES or TABLE in PostgreSQL's grammar. Spans in the result and in the error are bytes of
    /// `text`.
    ///
    /// # Errors
    /// The first thing that is wrong: no or a second statement, another kind of statement, a syntax error, a
    /// data-modifying CTE, `INTO`, a locking clause, a parameter.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        refuse_deep(text)?;
        let parse = SourceFile::parse(text);
        let root = parse.syntax_node();
        let mut statements =
            root.children().filter(|n| n.kind() != SyntaxKind::EMPTY_STMT && n.kind() != SyntaxKind::ERROR);
        let first = statements.next();
        if let Some(statement) = &first {
            refusal::other_statement(statement)?;
        }
        if let Some(error) = parse.errors().into_iter().next() {
            return Err(syntax_error(text, &root, &error));
        }
        let Some(statement) = first else {
            return Err(refusal::nothing(text));
        };
        if let Some(second) = statements.next() {
            return Err(refusal::second_statement(&second));
        }
        refusal::inside(&statement)?;
        let found = relation::collect(&statement);
        Ok(Self {
            text: text[..end_of(&statement)].to_owned(),
            relations: found.relations,
            sites: found.sites,
            qualifiers: found.qualifiers,
            types: found.types,
        })
    }
}

/// Whether a token is white space or a comment.
fn is_trivia(kind: SyntaxKind) -> bool {
    matches!(kind, SyntaxKind::WHITESPACE | SyntaxKind::COMMENT)
}

/// Where the statement's last token ends, semicolons and comments left out.
fn end_of(statement: &SyntaxNode) -> usize {
    let mut token = statement.last_token();
    while let Some(t) = &token {
        if !is_trivia(t.kind()) && t.kind() != SyntaxKind::SEMICOLON {
            return token_span(t).end;
        }
        token = t.prev_token();
    }
    span(statement).end
}

fn refuse_deep(text: &str) -> Result<(), QueryError> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(QueryError {
                message: format!("brackets are nested more than {MAX_DEPTH} deep"),
                span: at..at + 1,
                help: Some("move a part of the query into a WITH clause".into()),
            });
        }
    }
    Ok(())
}

/// The parser's own error; where it names a point between tokens, the token after it is meant.
fn syntax_error(text: &str, root: &SyntaxNode, error: &squawk_syntax::syntax_error::SyntaxError) -> QueryError {
    let range = error.range();
    let (start, end) = (usize::from(range.start()), usize::from(range.end()));
    let span = if start < end {
        start..end
    } else {
        let mut token = root.token_at_offset(range.start()).right_biased();
        while token.as_ref().is_some_and(|t| is_trivia(t.kind()) || token_span(t).end <= start) {
            token = token.and_then(|t| t.next_token());
        }
        token.map_or_else(|| last_token(text, root), |t| token_span(&t))
    };
    QueryError { message: format!("syntax error: {}", humane(error.message())), span, help: None }
}

fn last_token(text: &str, root: &SyntaxNode) -> Range<usize> {
    let mut token = root.last_token();
    while let Some(t) = &token {
        if !is_trivia(t.kind()) {
            return token_span(t);
        }
        token = t.prev_token();
    }
    text.len()..text.len()
}

/// The parser's words without its token names: `got FROM_KW` is `got FROM`.
fn humane(message: &str) -> String {
    let words = message
        .split(' ')
        .map(|word| {
            let bare = word.trim_end_matches(',');
            let plain = match bare {
                "EOF" => "the end of the query",
                "IDENT" => "a name",
                "INT_NUMBER" | "FLOAT_NUMBER" => "a number",
                "STRING" => "a string",
                "COMMA" => "`,`",
                "DOT" => "`.`",
                "EQ" => "`=`",
                "STAR" => "`*`",
                "SEMICOLON" => "`;`",
                "L_PAREN" => "`(`",
                "R_PAREN" => "`)`",
                "L_BRACK" => "`[`",
                "R_BRACK" => "`]`",
                _ => bare.strip_suffix("_KW").unwrap_or(bare),
            };
            format!("{plain}{}", &word[bare.len()..])
        })
        .collect::<Vec<_>>()
        .join(" ");
    let mut chars = words.chars();
    match (chars.next(), chars.as_str().chars().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            format!("{}{}", first.to_lowercase(), chars.as_str())
        }
        _ => words,
    }
}
