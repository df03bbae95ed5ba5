//! The columns of a query's result that tell its rows apart: what it groups by, or is distinct on.

use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use super::identifier::fold_identifier;

/// The grouping keys of a query, as columns of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// The columns, in the order of the clause they come from.
    pub columns: Vec<String>,
    /// No two rows are equal in them, for certain: all keys are there, and nothing makes two rows of one group.
    pub unique: bool,
}

/// Functions that give one value for a group, whatever stands in their brackets.
const AGGREGATES: &str = "any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp \
    cume_dist dense_rank every first_value grouping json_agg json_object_agg jsonb_agg jsonb_object_agg lag last_value lead \
    max min mode nth_value ntile percent_rank percentile_cont percentile_disc range_agg rank regr_count regr_slope row_number \
    stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance";

/// Functions that give one value for one value: any other may return many rows.
const SCALARS: &str = "abs age btrim cardinality cast ceil ceiling coalesce concat concat_ws date_bin date_part date_trunc div \
    exp extract floor format greatest initcap json_build_object jsonb_build_object least left length ln log lower lpad ltrim \
    make_interval md5 mod now nullif power replace right round rpad rtrim sign split_part sqrt substr substring to_char \
    to_date to_json to_jsonb to_timestamp trim trunc upper";

/// What a query groups by, or is distinct on; `None` where it does neither, or its result does not show it.
pub fn grouping(query: &str) -> Option<Grouping> {
    let root = SourceFile::parse(query).syntax_node();
    let mut select = root.children().find(|node| node.kind() != SyntaxKind::EMPTY_STMT)?;
    while select.kind() == SyntaxKind::PAREN_SELECT {
        select = select.children().find(|node| matches!(node.kind(), SyntaxKind::SELECT | SyntaxKind::PAREN_SELECT))?;
    }
    let clause = child(&select, SyntaxKind::SELECT_CLAUSE).filter(|_| select.kind() == SyntaxKind::SELECT)?;
    let targets: Vec<Column> = child(&clause, SyntaxKind::TARGET_LIST)?.children().map(column).collect();
    let distinct = child(&clause, SyntaxKind::DISTINCT_CLAUSE);
    let group_by = child(&select, SyntaxKind::GROUP_BY_CLAUSE);
    let found = match (distinct.as_ref().map(|clause| child(clause, SyntaxKind::DISTINCT_ON)), group_by) {
        (Some(Some(on)), _) => on_keys(&on.children().collect::<Vec<_>>(), &targets, true)?,
        (_, Some(clause)) => grouped(&clause, &select, &targets)?,
        (Some(None), None) => {
            let names: Option<Vec<String>> = targets.into_iter().map(|target| target.name).collect();
            Grouping { columns: names?, unique: true }
        }
        (None, None) => return None,
    };
    (!found.columns.is_empty()).then_some(found)
}

fn child(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

/// A column of the result.
struct Column {
    /// `None` where the text does not say it: `*`, an expression without a name.
    name: Option<String>,
    /// Whether it stands for many columns.
    star: bool,
    expression: Option<SyntaxNode>,
}

fn column(target: SyntaxNode) -> Column {
    let alias = child(&target, SyntaxKind::AS_NAME)
        .and_then(|alias| child(&alias, SyntaxKind::COLUMN_NAME))
        .map(|name| fold_identifier(&name.text().to_string()));
    let star = target.descendants_with_tokens().take(6).any(|element| element.kind() == SyntaxKind::STAR)
        && target.text().to_string().trim_end().ends_with('*');
    let expression = target.children().find(|node| node.kind() != SyntaxKind::AS_NAME).filter(|_| !star);
    Column { name: alias.or_else(|| own_name(expression.as_ref()?)), star, expression }
}

/// The name PostgreSQL gives to an expression, where that is beyond doubt: a column's, also where it is cast, or a
/// function's.
fn own_name(expression: &SyntaxNode) -> Option<String> {
    match expression.kind() {
        SyntaxKind::NAME_REF => Some(fold_identifier(&expression.text().to_string())),
        SyntaxKind::FIELD_EXPR => expression.last_child().as_ref().and_then(own_name),
        SyntaxKind::CAST_EXPR => {
            let inner = expression.first_child()?;
            matches!(inner.kind(), SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR).then(|| own_name(&inner))?
        }
        SyntaxKind::CALL_EXPR => {
            let called = expression.first_child().filter(|called| called.kind() == SyntaxKind::NAME_REF)?;
            // What is a function's name by grammar only has another one.
            own_name(&called).filter(|name| name != "trim" && !name.starts_with("xml"))
        }
        _ => None,
    }
}

/// The keys of GROUP BY.
fn grouped(clause: &SyntaxNode, select: &SyntaxNode, targets: &[Column]) -> Option<Grouping> {
    let list = child(clause, SyntaxKind::GROUP_BY_LIST)?;
    let mut keys = Vec::new();
    // Sets of keys have rows for the groups of each: equal where a key is NULL by itself.
    let sets = list.descendants().any(|node| {
        matches!(node.kind(), SyntaxKind::GROUPING_ROLLUP | SyntaxKind::GROUPING_CUBE | SyntaxKind::GROUPING_SETS)
    });
    list.children().for_each(|item| flatten(&item, &mut keys));
    let mut found = on_keys(&keys, targets, false)?;
    let is_key = |target: &&Column| target.name.as_ref().is_some_and(|name| found.columns.contains(name));
    let others = targets.iter().filter(|target| !is_key(target)).filter_map(|target| target.expression.as_ref());
    let sorted = child(select, SyntaxKind::ORDER_BY_CLAUSE);
    let one_row_each = others.chain(sorted.as_ref()).all(gives_one_value);
    found.unique &= !sets && one_row_each;
    Some(found)
}

/// The expressions of an item of GROUP BY: those of `ROLLUP (a, (b, c))` are three.
fn flatten(item: &SyntaxNode, keys: &mut Vec<SyntaxNode>) {
    match item.kind() {
        SyntaxKind::GROUPING_EXPR
        | SyntaxKind::GROUPING_ROLLUP
        | SyntaxKind::GROUPING_CUBE
        | SyntaxKind::GROUPING_SETS
        | SyntaxKind::TUPLE_EXPR
        | SyntaxKind::PAREN_EXPR => item.children().for_each(|inner| flatten(&inner, keys)),
        _ => keys.push(item.clone()),
    }
}

/// The columns that show these keys. A bare name is one of the result's first, or one of what is read first.
fn on_keys(keys: &[SyntaxNode], targets: &[Column], of_result: bool) -> Option<Grouping> {
    let mut columns: Vec<String> = Vec::new();
    let mut unique = true;
    for key in keys {
        let Some((name, sure)) = shown(key, targets, of_result) else {
            unique = false;
            continue;
        };
        unique &= sure;
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    Some(Grouping { columns, unique })
}

/// The column that shows a key, and whether that is certain.
fn shown(key: &SyntaxNode, targets: &[Column], of_result: bool) -> Option<(String, bool)> {
    if key.kind() == SyntaxKind::LITERAL {
        let place = key.text().to_string().parse::<usize>().ok()?.checked_sub(1)?;
        // What `*` stands for is not known here.
        let starred = targets.iter().take(place + 1).any(|target| target.star);
        return targets.get(place).filter(|_| !starred)?.name.clone().map(|name| (name, true));
    }
    let bare = (key.kind() == SyntaxKind::NAME_REF).then(|| fold_identifier(&key.text().to_string()));
    let named = targets.iter().find(|target| bare.is_some() && target.name == bare);
    if of_result && let Some(target) = named {
        return target.name.clone().map(|name| (name, true));
    }
    let same = |target: &&Column| target.expression.as_ref().is_some_and(|expression| same(expression, key));
    if let Some(target) = targets.iter().find(same) {
        return target.name.clone().map(|name| (name, true));
    }
    // The name of an expression, unless what is read has a column of that name.
    named?.name.clone().map(|name| (name, false))
}

/// Whether two expressions are the same: a column may be qualified in one of them only.
fn same(one: &SyntaxNode, other: &SyntaxNode) -> bool {
    let (one, other) = (words(one), words(other));
    let is_column = |words: &[String]| words.iter().skip(1).step_by(2).all(|word| word == ".");
    let (short, long) = if one.len() < other.len() { (&one, &other) } else { (&other, &one) };
    one == other || (is_column(&one) && is_column(&other) && long.ends_with(short))
}

/// The words of an expression, names folded, without the brackets around it.
fn words(node: &SyntaxNode) -> Vec<String> {
    if node.kind() == SyntaxKind::PAREN_EXPR
        && let Some(inner) = node.first_child()
    {
        return words(&inner);
    }
    node.descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT))
        .map(|token| match token.kind() {
            SyntaxKind::STRING => token.text().to_owned(),
            _ => fold_identifier(token.text()),
        })
        .collect()
}

/// Whether an expression gives one value for certain: a function that is not known may return many rows.
fn gives_one_value(node: &SyntaxNode) -> bool {
    match node.kind() {
        SyntaxKind::SELECT | SyntaxKind::PAREN_SELECT | SyntaxKind::COMPOUND_SELECT => true,
        SyntaxKind::CALL_EXPR => {
            let name = node.first_token().map(|token| token.text().to_ascii_lowercase()).unwrap_or_default();
            let qualified = node.first_child().is_some_and(|called| called.kind() == SyntaxKind::FIELD_EXPR);
            let known = |list: &str| !qualified && list.split_whitespace().any(|word| word == name);
            known(AGGREGATES) || (known(SCALARS) && node.children().all(|child| gives_one_value(&child)))
        }
        _ => node.children().all(|child| gives_one_value(&child)),
    }
}

#[cfg(test)]
mod tests {
    use super::grouping;

    fn told(query: &str) -> String {
        match grouping(query) {
            None => "none".to_owned(),
            Some(found) => format!("{} {}", found.columns.join(","), if found.unique { "unique" } else { "plain" }),
        }
    }

    #[test]
    fn keys_are_columns_of_the_result() {
        for (query, wanted) in [
            ("SELECT a, b, sum(c) AS c FROM t GROUP BY a, b", "a,b unique"),
            ("SELECT sum(c), date_trunc('day', x) AS day, \"Key\" FROM t GROUP BY 2, \"Key\"", "day,Key unique"),
            ("SELECT t.a, count(*) FROM t GROUP BY a HAVING count(*) > 1 ORDER BY count(*)", "a unique"),
            ("SELECT a AS x, max(b) - min(b) FROM t GROUP BY t.a", "x unique"),
            ("SELECT lower( A ) AS name, round(avg(b), 2) FROM t GROUP BY (LOWER(a))", "name unique"),
            ("WITH w AS (SELECT 1 AS a) (SELECT a, string_agg(f(b), ',') FROM w GROUP BY a)", "a unique"),
            ("(SELECT a, CASE WHEN sum(b) > 0 THEN 1 END FROM w GROUP BY (a))", "a unique"),
            ("SELECT a, b, count(*) FROM t GROUP BY ROLLUP (a, (b))", "a,b plain"),
            // A key that is not shown, a name that may be of something else, rows that may be many.
            ("SELECT a, count(*) FROM t GROUP BY a, b", "a plain"),
            ("SELECT date_trunc('day', day) AS day, count(*) FROM t GROUP BY day", "day plain"),
            ("SELECT a, unnest(array_agg(b)) FROM t GROUP BY a", "a plain"),
            ("SELECT a, s.round(sum(b)) FROM t GROUP BY a", "a plain"),
            ("SELECT unnest(tags) AS tag, count(*) FROM t GROUP BY 1", "tag unique"),
            (
                "SELECT \"D\"::date, CAST(b AS int), trim(c), upper(d), 1 FROM t GROUP BY 1, 2, 3, 4, 5",
                "D,b,upper plain",
            ),
            ("SELECT *, count(*) FROM t GROUP BY 1", "none"),
            ("SELECT sum(a) FROM t", "none"),
            ("SELECT sum(a) FROM t GROUP BY ()", "none"),
            ("SELECT count(*) FROM t GROUP BY a", "none"),
        ] {
            assert_eq!(told(query), wanted, "{query}");
        }
    }

    #[test]
    fn distinct_rows_have_keys_too() {
        for (query, wanted) in [
            ("SELECT DISTINCT a, t.b, c + 1 AS d FROM t", "a,b,d unique"),
            ("SELECT DISTINCT * FROM t", "none"),
            ("SELECT DISTINCT a, 1 FROM t", "none"),
            ("SELECT DISTINCT ON (a, lower(b)) a, lower(b) AS b, c FROM t ORDER BY a, 2, d", "a,b unique"),
            ("SELECT DISTINCT ON (b) a, c FROM t", "none"),
            ("SELECT DISTINCT a, count(*) AS n FROM t GROUP BY a", "a unique"),
            ("SELECT a FROM t UNION SELECT b FROM t", "none"),
            ("VALUES (1)", "none"),
            ("TABLE t", "none"),
        ] {
            assert_eq!(told(query), wanted, "{query}");
        }
    }
}
