//! Checks that speak of rows one by one: what holds of a mart's rows by them holds of a part of these.

use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use crate::state::CheckForm;

/// What stands for the mart in a check's query, and the name it has for the parser.
const THIS: (&str, &str) = ("{this}", "_this_");

/// Whether a check can be asked of some of a mart's rows. What it says of all of them together, as how many there are or whether
/// there is one, is not true of a part, or not wrong.
pub fn is_row_by_row(form: &CheckForm) -> bool {
    match form {
        CheckForm::Sql(text) => reads_rows(text).is_some(),
        form => form.is_of_rows(),
    }
}

/// The mart is read once, and each of its rows gives its own: they are not put together.
fn reads_rows(text: &str) -> Option<()> {
    let root = SourceFile::parse(&text.replace(THIS.0, THIS.1)).syntax_node();
    let select = root.children().find(|node| node.kind() == SyntaxKind::SELECT)?;
    let plain = |node: SyntaxNode| {
        use SyntaxKind::{FROM_CLAUSE, ORDER_BY_CLAUSE, SELECT_CLAUSE, WHERE_CLAUSE};
        [SELECT_CLAUSE, FROM_CLAUSE, WHERE_CLAUSE, ORDER_BY_CLAUSE].contains(&node.kind())
    };
    let from = select.children().find(|node| node.kind() == SyntaxKind::FROM_CLAUSE)?;
    let words = |node: &SyntaxNode| -> Vec<_> {
        let tokens = node.descendants_with_tokens().filter_map(|element| element.into_token());
        tokens.filter(|token| !token.kind().is_trivia()).collect()
    };
    let reads: Vec<_> = words(&from).into_iter().filter(|token| token.text() == THIS.1).collect();
    let tables = words(&root).windows(2).filter(|pair| pair[0].text() == THIS.1 && pair[1].text() != ".").count();
    let [read] = reads.as_slice() else { return None };
    let own = read.parent_ancestors().find(|node| node.kind() == SyntaxKind::SELECT)? == select;
    // Rows of another table to which the mart has none are told of all its rows.
    let first = words(&from).get(1).is_some_and(|token| token.text() == THIS.1);
    let kept = words(&from).iter().any(|token| ["right", "full"].contains(&token.text().to_lowercase().as_str()));
    let ends = words(&root).last().is_some_and(|token| token.text() == THIS.1);
    (select.children().all(plain) && own && first && !kept && tables + usize::from(ends) == 1).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_of_all_rows_is_not_asked_of_some() {
        let asked = |text: &str| is_row_by_row(&CheckForm::Sql(text.to_owned()));
        for text in [
            "SELECT * FROM {this} WHERE amount < 0",
            "SELECT 1 FROM {this}",
            "SELECT t.day FROM {this} AS t LEFT JOIN days AS d ON d.day = t.day WHERE d.day IS NULL ORDER BY 1",
            "SELECT * FROM {this} WHERE {this}.amount > (SELECT max(amount) FROM limits)",
        ] {
            assert!(asked(text), "{text}");
        }
        for text in [
            "SELECT count(*) FROM {this} HAVING count(*) < 100",
            "SELECT day FROM {this} GROUP BY day HAVING sum(amount) = 0",
            "SELECT 1 WHERE NOT EXISTS (SELECT FROM {this} WHERE day = current_date)",
            "SELECT * FROM (SELECT count(*) AS n FROM {this}) AS q WHERE n < 100",
            "WITH t AS (SELECT count(*) AS n FROM {this}) SELECT * FROM t WHERE n < 100",
            "SELECT d.day FROM days AS d LEFT JOIN {this} AS t ON d.day = t.day WHERE t.day IS NULL",
            "SELECT d.day FROM {this} AS t RIGHT JOIN days AS d ON d.day = t.day WHERE t.day IS NULL",
            "SELECT * FROM {this} AS a, {this} AS b WHERE a.amount > 10 * b.amount",
            "SELECT * FROM {this} LIMIT 1",
            "SELECT day FROM {this} EXCEPT SELECT day FROM days",
        ] {
            assert!(!asked(text), "{text}");
        }
        assert!(is_row_by_row(&CheckForm::NotNull(vec!["day".to_owned()])));
        assert!(!is_row_by_row(&CheckForm::Rows { min: Some(1), max: None }));
    }
}
