//! An expression of an index: its syntax, its name, and whether it may change by itself.

use squawk_syntax::ast::{AstNode, Target};
use squawk_syntax::column_name::ColumnName;
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use super::identifier::fold_identifier;
use super::part::QueryError;
use super::query::Query;

/// An expression or a predicate, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The name PostgreSQL gives to it as an index column: that of its function or column; `expr` where it has none.
    pub name: String,
    /// The first call in it that is not IMMUTABLE, such as `now()` or `current_date`.
    pub mutable: Option<String>,
}

const BEFORE: &str = "SELECT (";

/// Functions that are known not to be IMMUTABLE and are tempting in an index.
const MUTABLE: &[&str] = &[
    "age",
    "clock_timestamp",
    "now",
    "nextval",
    "random",
    "statement_timestamp",
    "timeofday",
    "transaction_timestamp",
];

impl Expression {
    /// Reads one expression.
    ///
    /// # Errors
    /// What is wrong with it; the span is in bytes of `text`.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let statement = format!("{BEFORE}{text}\n)");
        let shift = |at: usize| at.saturating_sub(BEFORE.len()).min(text.len());
        Query::parse(&statement).map_err(|mut error| {
            error.span = shift(error.span.start)..shift(error.span.end);
            error
        })?;
        let root = SourceFile::parse(&statement).syntax_node();
        let target = only_target(&root).ok_or_else(|| QueryError {
            message: "this is not one expression".into(),
            span: 0..text.len(),
            help: None,
        })?;
        let name = Target::cast(target.clone())
            .and_then(ColumnName::inferred_from_target)
            .and_then(|(name, _)| name.to_string())
            .filter(|name| name != "?column?");
        Ok(Self { name: name.map_or_else(|| "expr".to_owned(), |n| fold_identifier(&n)), mutable: mutable(&target) })
    }
}

/// The target, if the statement is nothing but one expression in our brackets.
fn only_target(root: &SyntaxNode) -> Option<SyntaxNode> {
    let end = root.text_range().end();
    let mut statements = root.children();
    let select = statements.next().filter(|s| s.kind() == SyntaxKind::SELECT)?;
    let mut clauses = select.children();
    let list = clauses.next()?.first_child()?;
    let mut targets = list.children();
    let target = targets.next()?;
    let brackets = target.first_child()?;
    let alone = statements.next().is_none()
        && clauses.next().is_none()
        && targets.next().is_none()
        && brackets.kind() == SyntaxKind::PAREN_EXPR
        && brackets.text_range().end() == end;
    alone.then_some(target)
}

fn mutable(node: &SyntaxNode) -> Option<String> {
    for element in node.descendants_with_tokens() {
        let Some(token) = element.into_token() else {
            continue;
        };
        let word = token.text().to_ascii_lowercase();
        match token.kind() {
            SyntaxKind::CURRENT_DATE_KW
            | SyntaxKind::CURRENT_TIME_KW
            | SyntaxKind::CURRENT_TIMESTAMP_KW
            | SyntaxKind::LOCALTIME_KW
            | SyntaxKind::LOCALTIMESTAMP_KW
            | SyntaxKind::CURRENT_USER_KW
            | SyntaxKind::SESSION_USER_KW => return Some(word),
            SyntaxKind::IDENT if MUTABLE.contains(&word.as_str()) => {
                let called = token
                    .parent()
                    .and_then(|name| name.next_sibling())
                    .is_some_and(|next| next.kind() == SyntaxKind::ARG_LIST);
                // `age` of two arguments is IMMUTABLE.
                let two = word == "age" && node.text().contains_char(',');
                if called && !two {
                    return Some(format!("{word}()"));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Expression;

    fn name(text: &str) -> String {
        Expression::parse(text).unwrap().name
    }

    #[test]
    fn names_are_postgresql_s() {
        for (text, expected) in [
            ("(lower(email))", "lower"),
            ("lower(email)", "lower"),
            ("(date_trunc('day', at))", "date_trunc"),
            ("(pg_catalog.upper(\"Name\"))", "upper"),
            ("(email)", "email"),
            ("(a || b)", "expr"),
            ("(data ->> 'x')", "expr"),
            ("(coalesce(a, b))", "coalesce"),
            ("(at::date)", "at"),
        ] {
            assert_eq!(name(text), expected, "{text}");
        }
    }

    #[test]
    fn what_changes_by_itself_is_found() {
        let mutable = |t| Expression::parse(t).unwrap().mutable;
        assert_eq!(mutable("day > now() - interval '1 day'").as_deref(), Some("now()"));
        assert_eq!(mutable("day > current_date").as_deref(), Some("current_date"));
        assert_eq!(mutable("day > CURRENT_TIMESTAMP").as_deref(), Some("current_timestamp"));
        assert_eq!(mutable("now = 'now()' -- now()"), None);
        assert_eq!(mutable("age(a, b) > interval '1 day'"), None);
    }

    #[test]
    fn only_one_expression() {
        for bad in ["", "a, b) (c", "a) from (select 1", "a); drop table x; select (1", "1 +", "a) + (b"] {
            assert!(Expression::parse(bad).is_err(), "{bad}");
        }
    }
}
