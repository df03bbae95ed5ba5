//! Checks as queries: every row that one returns is a failure.

use squawk_syntax::{SourceFile, SyntaxKind};

use super::part::{QueryError, token_span};
use super::query::Query;
use crate::state::{CheckDecl, CheckForm, QName, quote_ident, quote_idents, quote_literal};

/// What stands for the mart in a check's query.
const THIS: &str = "{this}";
/// The name it has for the parser: of the same length, so that places stay.
const NAME: &str = "_this_";

/// A check's own query.
#[derive(Debug, Clone)]
pub struct CheckQuery {
    /// As written, without a final semicolon.
    pub text: String,
    query: Query,
    /// Where the text says `{this}` as a name.
    places: Vec<usize>,
}

impl CheckQuery {
    /// Reads exactly one SELECT, VALUES or TABLE that reads `{this}`. Spans in the error are bytes of `text`.
    ///
    /// # Errors
    /// As [`Query::parse`]; a query that does not read the mart, or says `{this}` where no name stands.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let named = text.replace(THIS, NAME);
        let query = Query::parse(&named).map_err(of_check)?;
        let places: Vec<usize> =
            text.match_indices(THIS).map(|(at, _)| at).filter(|at| *at < query.text.len()).collect();
        let tree = SourceFile::parse(&named).syntax_node();
        let tokens = tree.descendants_with_tokens().filter_map(|element| element.into_token());
        let tokens = tokens.filter(|token| token.kind() != SyntaxKind::COMMENT);
        for token in tokens {
            let span = token_span(&token);
            let inside = |at: &&usize| span.contains(*at) && (span.start != **at || token.text() != NAME);
            if let Some(at) = places.iter().find(inside) {
                return Err(QueryError {
                    message: format!("{THIS} stands for the mart's name, and here stands no name"),
                    span: *at..at + THIS.len(),
                    help: Some(format!("write it without quotes, as in `FROM {THIS}`")),
                });
            }
        }
        let this = Self { text: text[..query.text.len()].to_owned(), query, places };
        if !this.query.relations.iter().any(|relation| this.places.contains(&relation.span.start)) {
            return Err(QueryError {
                message: format!("the check does not read {THIS}"),
                span: 0..text.trim_end().len(),
                help: Some(format!("{THIS} is the mart: write for example `SELECT * FROM {THIS} WHERE …`")),
            });
        }
        Ok(this)
    }

    /// The query, reading `relation` in the mart's place and what `other` answers in the place of other relations.
    fn reading(&self, relation: &QName, other: &dyn Fn(Option<&str>, &str) -> Option<QName>) -> String {
        self.query.rewrite(|reference| match self.places.contains(&reference.span.start) {
            true => Some(relation.clone()),
            false => other(reference.schema.as_deref(), &reference.name),
        })
    }
}

/// An error of a mart's query in the words of a check's.
fn of_check(error: QueryError) -> QueryError {
    let words = |text: String| text.replace("a mart", "a check");
    QueryError { message: words(error.message), help: error.help.map(words), span: error.span }
}

/// The query of a check of `relation`. `other` answers for the other relations that a check's own query reads.
pub fn check_query(check: &CheckDecl, relation: &QName, other: &dyn Fn(Option<&str>, &str) -> Option<QName>) -> String {
    // Not IS NULL: of a composite value that asks for its fields.
    let null = |column: &String| format!("{} IS NOT DISTINCT FROM NULL", quote_ident(column));
    let known = |column: &String| format!("{} IS DISTINCT FROM NULL", quote_ident(column));
    let all = |columns: &[String], term: &dyn Fn(&String) -> String, word: &str| {
        columns.iter().map(term).collect::<Vec<_>>().join(word)
    };
    match &check.form {
        CheckForm::Sql(text) => match CheckQuery::parse(text) {
            Ok(query) => query.reading(relation, other),
            Err(_) => text.replace(THIS, &relation.to_string()),
        },
        CheckForm::NotNull(columns) => format!("SELECT * FROM {relation} WHERE {}", all(columns, &null, " OR ")),
        CheckForm::Unique(columns) => {
            let mut count = "rows".to_owned();
            while columns.contains(&count) {
                count.push('_');
            }
            let keys = quote_idents(columns);
            format!(
                "SELECT {keys}, pg_catalog.count(*) AS {count} FROM {relation} WHERE {} GROUP BY {keys} HAVING pg_catalog.count(*) > 1",
                all(columns, &known, " AND ")
            )
        }
        CheckForm::Accepted { column, values } => {
            let values: Vec<String> = values.iter().map(|value| quote_literal(value)).collect();
            format!("SELECT * FROM {relation} WHERE {} NOT IN ({})", quote_ident(column), values.join(", "))
        }
        CheckForm::Rows { min, max } => {
            let min = min.map(|min| format!("pg_catalog.count(*) < {min}"));
            let max = max.map(|max| format!("pg_catalog.count(*) > {max}"));
            let bounds: Vec<String> = min.into_iter().chain(max).collect();
            format!("SELECT pg_catalog.count(*) AS rows FROM {relation} HAVING {}", bounds.join(" OR "))
        }
        CheckForm::Fresh { column, within } => {
            let newest = format!("pg_catalog.max({})", quote_ident(column));
            format!(
                "SELECT {newest} AS newest FROM {relation} HAVING {newest} IS NULL \
                 OR {newest} < pg_catalog.statement_timestamp() - pg_catalog.make_interval(secs => {within})"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::CheckSeverity;

    fn sql(form: CheckForm) -> String {
        let check = CheckDecl { name: "c".into(), severity: CheckSeverity::Error, form };
        let next = |schema: Option<&str>, name: &str| {
            (schema.is_none() && name == "other").then(|| QName::new("s", "other__next"))
        };
        check_query(&check, &QName::new("My \"S\"", "m; DROP"), &next)
    }

    fn names(columns: &[&str]) -> Vec<String> {
        columns.iter().map(|column| (*column).to_owned()).collect()
    }

    #[test]
    fn each_form_is_a_query() {
        let texts = [
            CheckForm::NotNull(names(&["a", "b\"; --"])),
            CheckForm::Unique(names(&["rows", "select"])),
            CheckForm::Accepted { column: "st at".into(), values: names(&["it's", "a\\b"]) },
            CheckForm::Rows { min: Some(1), max: Some(9) },
            CheckForm::Rows { min: None, max: Some(9) },
            CheckForm::Fresh { column: "Day".into(), within: 60 },
        ]
        .map(sql);
        insta::assert_snapshot!(texts.join("\n"), @r#"
        SELECT * FROM "My ""S"""."m; DROP" WHERE a IS NOT DISTINCT FROM NULL OR "b""; --" IS NOT DISTINCT FROM NULL
        SELECT rows, "select", pg_catalog.count(*) AS rows_ FROM "My ""S"""."m; DROP" WHERE rows IS DISTINCT FROM NULL AND "select" IS DISTINCT FROM NULL GROUP BY rows, "select" HAVING pg_catalog.count(*) > 1
        SELECT * FROM "My ""S"""."m; DROP" WHERE "st at" NOT IN ('it''s', E'a\\b')
        SELECT pg_catalog.count(*) AS rows FROM "My ""S"""."m; DROP" HAVING pg_catalog.count(*) < 1 OR pg_catalog.count(*) > 9
        SELECT pg_catalog.count(*) AS rows FROM "My ""S"""."m; DROP" HAVING pg_catalog.count(*) > 9
        SELECT pg_catalog.max("Day") AS newest FROM "My ""S"""."m; DROP" HAVING pg_catalog.max("Day") IS NULL OR pg_catalog.max("Day") < pg_catalog.statement_timestamp() - pg_catalog.make_interval(secs => 60)
        "#);
    }

    #[test]
    fn this_is_the_mart() {
        let written = |text: &str| sql(CheckForm::Sql(text.to_owned()));
        assert_eq!(
            written("SELECT {this}.a FROM {this} JOIN other USING (a) -- of {this}\n;"),
            "SELECT _this_.a FROM \"My \"\"S\"\"\".\"m; DROP\" AS _this_ JOIN s.other__next AS other USING (a)"
        );
        assert_eq!(
            written("SELECT '_this_' FROM {this} t, public.other"),
            "SELECT '_this_' FROM \"My \"\"S\"\"\".\"m; DROP\" t, public.other"
        );
        assert_eq!(written("TABLE {this}"), "SELECT * FROM \"My \"\"S\"\"\".\"m; DROP\" AS _this_");
    }

    #[test]
    fn misuse_is_refused_at_its_place() {
        let told = |text: &str| {
            let error = CheckQuery::parse(text).unwrap_err();
            format!("{} «{}»", error.message, &text[error.span])
        };
        assert_eq!(told("SELECT 1"), "the check does not read {this} «SELECT 1»");
        let quoted = "{this} stands for the mart's name, and here stands no name «{this}»";
        assert_eq!(told("SELECT '{this}' FROM {this}"), quoted);
        assert_eq!(told("SELECT 1 FROM \"{this}\""), quoted);
        assert_eq!(told("DELETE FROM {this}"), "a check's query is a SELECT, VALUES or TABLE, not DELETE «DELETE»");
        assert_eq!(told("SELECT FROM {this}; SELECT 2"), "a second statement begins here «SELECT 2»");
        assert!(told("SELECT FROM {that}").starts_with("syntax error"), "{}", told("SELECT FROM {that}"));
    }
}
