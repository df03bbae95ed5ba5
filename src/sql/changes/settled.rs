//! Whether a query gives the same rows as long as nothing of what it reads changes.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::node::{clock, statement, text};
use super::{Known, Obstacle, allowed};

/// Looks at all its texts, as the server prints them: the query's, and those of the views behind it.
///
/// # Errors
/// The clause that may give something else.
pub fn settled(texts: &[&str], known: &Known) -> Result<(), Obstacle> {
    for sql in texts {
        let root = statement(sql.trim().trim_end_matches(';'))?;
        for node in root.descendants() {
            one(&node, known)?;
        }
    }
    match known.behind.iter().find(|(_, function)| function.volatility != 'i') {
        Some((_, function)) => {
            Err(Obstacle::at("", format!("the function {} is not IMMUTABLE", function.signatures.join(", "))))
        }
        None => Ok(()),
    }
}

fn one(node: &SyntaxNode, known: &Known) -> Result<(), Obstacle> {
    if clock(node) {
        return Err(Obstacle::at(&text(node), format!("{} is another in each refresh", text(node))));
    }
    match node.kind() {
        // Which rows come of which does not matter here.
        SyntaxKind::WITH_CLAUSE | SyntaxKind::RELATION_FROM_ITEM => Ok(()),
        // What stands behind it is only known of views.
        SyntaxKind::OPERATOR_CALL if !text(node).replace(' ', "").starts_with("OPERATOR(pg_catalog.") => {
            Err(Obstacle::at("OPERATOR", "what the operator of somebody does is not known"))
        }
        _ => allowed::one(node, known),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Function;
    use super::*;

    fn is_settled(sql: &str) -> bool {
        let function = |volatility| Function { volatility, ..Function::default() };
        let functions = [("count", 'i'), ("now", 's'), ("random", 'v'), ("to_char", 's'), ("length", 'i')];
        let functions = functions.map(|(name, volatility)| (name.to_owned(), function(volatility)));
        settled(&[sql], &Known { functions: functions.into(), ..Known::default() }).is_ok()
    }

    #[test]
    fn what_moves_by_itself_is_found() {
        assert!(is_settled("SELECT count(*) AS n FROM public.orders o WHERE (length(o.name) > 3);"));
        assert!(is_settled(
            "WITH RECURSIVE w(n) AS (SELECT 1 UNION ALL SELECT w_1.n + 1 FROM w w_1 WHERE w_1.n < 9) SELECT w.n FROM w"
        ));
        assert!(is_settled("SELECT to_char(o.at, 'YYYY'::text) AS year FROM ONLY public.orders o"));
        assert!(!is_settled("SELECT o.id FROM public.orders o WHERE o.at > now()"));
        assert!(!is_settled("SELECT o.id FROM public.orders o WHERE o.at > CURRENT_DATE"));
        assert!(!is_settled("SELECT random() AS r FROM public.orders o"));
        assert!(!is_settled("SELECT o.id FROM public.orders o TABLESAMPLE system (10)"));
        assert!(!is_settled("SELECT o.id FROM public.orders o WHERE o.name OPERATOR(public.=) 'a'::public.citext"));
        assert!(!is_settled("SELECT public.f(o.id) AS f FROM public.orders o"));
    }
}
