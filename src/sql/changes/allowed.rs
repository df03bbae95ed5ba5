//! What a query may consist of. Whatever is not named here is an obstacle.

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::node::{Callee, callee, clock, path, text};
use super::{Function, Known, Obstacle};
use crate::state::QName;

/// Functions that are STABLE because of settings only, which are the same in every refresh.
const SETTINGS_ONLY: &str = "array_to_json array_to_string concat concat_ws date date_add date_bin date_part date_subtract date_trunc \
    extract format generate_series interval json_agg json_build_array json_build_object json_object_agg jsonb_agg jsonb_build_array \
    jsonb_build_object jsonb_object_agg make_timestamptz overlaps quote_literal quote_nullable row_to_json text time timestamp \
    timestamptz timetz timezone to_char to_date to_json to_jsonb to_number to_timestamp tstzmultirange tstzrange";

/// What looks like a function and is none.
const SYNTAX: &str = "coalesce greatest grouping least nullif";

/// Words for a moment that a string means when it is read.
const MOMENTS: &str = "now today tomorrow yesterday";

/// Looks at everything that a query says.
pub(super) fn check(root: &SyntaxNode, known: &Known) -> Result<(), Obstacle> {
    for node in root.descendants() {
        one(&node, known)?;
    }
    Ok(())
}

/// Looks at one of its nodes.
pub(super) fn one(node: &SyntaxNode, known: &Known) -> Result<(), Obstacle> {
    use SyntaxKind as K;
    match node.kind() {
        K::SOURCE_FILE | K::SELECT | K::COMPOUND_SELECT | K::PAREN_SELECT | K::SELECT_CLAUSE | K::TARGET_LIST => {}
        K::TARGET | K::AS_NAME | K::FROM_CLAUSE | K::PAREN_FROM_ITEM | K::PAREN_EXPR | K::JOIN_EXPR | K::JOIN => {}
        K::JOIN_INNER | K::JOIN_LEFT | K::JOIN_RIGHT | K::JOIN_FULL | K::JOIN_CROSS | K::ON_CLAUSE => {}
        K::JOIN_USING_CLAUSE | K::COLUMN_REF_LIST | K::COLUMN_NAME_REF | K::COLUMN_NAME | K::COLUMN_LIST => {}
        K::RELATION_NAME_REF | K::PATH_REF | K::PATH_SEGMENT_REF | K::PATH | K::PATH_SEGMENT => {}
        K::FROM_ALIAS | K::TABLE_ALIAS | K::FUNCTION_FROM_ITEM | K::WITH_ORDINALITY | K::CTE_NAME => {}
        K::WHERE_CLAUSE | K::GROUP_BY_CLAUSE | K::GROUP_BY_LIST | K::GROUPING_EXPR | K::GROUPING_ROLLUP => {}
        K::GROUPING_CUBE | K::GROUPING_SETS | K::HAVING_CLAUSE | K::ORDER_BY_CLAUSE | K::SORT_BY_LIST => {}
        K::SORT_BY | K::SORT_ASC | K::SORT_DESC | K::NULLS_FIRST | K::NULLS_LAST | K::LIMIT_CLAUSE => {}
        K::OFFSET_CLAUSE | K::FETCH_CLAUSE | K::WITH_TIES | K::DISTINCT_CLAUSE | K::DISTINCT_ON | K::DISTINCT => {}
        K::WINDOW_CLAUSE | K::WINDOW_DEF | K::WINDOW | K::WINDOW_REF | K::WINDOW_SPEC | K::OVER_CLAUSE => {}
        K::OVER_WINDOW_SPEC | K::PARTITION_BY_CLAUSE | K::FRAME_CLAUSE | K::FRAME_BETWEEN | K::FRAME_ROWS => {}
        K::FRAME_RANGE | K::FRAME_GROUPS | K::FRAME_EXCLUDE | K::CURRENT_ROW | K::EXPR_FOLLOWING => {}
        K::EXPR_PRECEDING | K::UNBOUNDED_FOLLOWING | K::UNBOUNDED_PRECEDING | K::UNION | K::EXCEPT => {}
        K::INTERSECT | K::ALL | K::VALUES | K::ROW_LIST | K::ROW | K::WITH_TABLE | K::MATERIALIZED => {}
        K::NOT_MATERIALIZED | K::ARG | K::ARG_LIST | K::FILTER_CLAUSE | K::WITHIN_CLAUSE | K::BIN_EXPR => {}
        K::PREFIX_EXPR | K::POSTFIX_EXPR | K::BETWEEN_EXPR | K::SYMMETRIC | K::ASYMMETRIC | K::CASE_EXPR => {}
        K::WHEN_CLAUSE_LIST | K::WHEN_CLAUSE | K::ELSE_CLAUSE | K::CAST_EXPR | K::COLLATE | K::COLLATION_REF => {}
        K::FIELD_EXPR | K::INDEX_EXPR | K::SLICE_EXPR | K::TUPLE_EXPR | K::ARRAY_EXPR | K::COLON_COLON => {}
        K::NOT_IN | K::NOT_LIKE | K::NOT_ILIKE | K::NOT_SIMILAR_TO | K::SIMILAR_TO | K::IS_DISTINCT_FROM => {}
        K::IS_NOT_DISTINCT_FROM | K::IS_NOT | K::AT_TIME_ZONE | K::OPERATOR_CALL | K::OP | K::CUSTOM_OP => {}
        K::ANY_FN | K::ALL_FN | K::SOME_FN | K::EXISTS_FN | K::EXTRACT_FN | K::EXTRACT_FIELD_NAME => {}
        K::EXTRACT_FIELD_LITERAL | K::SUBSTRING_FN | K::SUBSTRING_EXPRS | K::SUBSTRING_FROM_FOR => {}
        K::SUBSTRING_FOR_FROM | K::POSITION_FN | K::OVERLAY_FN | K::OVERLAY_EXPRS | K::OVERLAY_PLACING => {}
        K::TRIM_FN | K::TRIM_EXPRS | K::TRIM_EXPR_FROM | K::TRIM_FROM | K::TRIM_BOTH | K::TRIM_LEADING => {}
        K::TRIM_TRAILING | K::BIT_TYPE | K::BIT_VARYING_TYPE | K::CHARACTER_TYPE | K::VARCHAR_TYPE => {}
        K::DOUBLE_TYPE | K::INTERVAL_TYPE | K::TIME_TYPE | K::TIMESTAMP_TYPE | K::ARRAY_TYPE | K::BASE_TYPE => {}
        K::WITH_TIMEZONE | K::WITHOUT_TIMEZONE | K::TIME_ZONE | K::ARRAY_BOUND | K::IGNORE_NULLS => {}
        K::RESPECT_NULLS | K::INTERVAL_DAY | K::INTERVAL_HOUR | K::INTERVAL_MINUTE | K::INTERVAL_MONTH => {}
        K::INTERVAL_SECOND | K::INTERVAL_YEAR => {}
        K::LITERAL => literal(node)?,
        K::NAME_REF => word(node)?,
        K::PATH_TYPE => kind(node)?,
        K::CALL_EXPR => call(node, known)?,
        K::WITH_CLAUSE => {
            if node.children_with_tokens().any(|element| element.kind() == K::RECURSIVE_KW) {
                return Err(Obstacle::at("WITH RECURSIVE", "a recursive query may follow a change anywhere"));
            }
        }
        K::RELATION_FROM_ITEM => {
            if node.children_with_tokens().any(|element| element.kind() == K::ONLY_KW) {
                return Err(Obstacle::at("ONLY", "ONLY reads a part of a table whose changes are logged whole"));
            }
        }
        K::TABLESAMPLE_CLAUSE => {
            return Err(Obstacle::at("TABLESAMPLE", "TABLESAMPLE picks other rows each time"));
        }
        K::LOCKING_CLAUSE => return Err(Obstacle::at("FOR", "rows are locked")),
        _ => {
            let words = text(node);
            let short: String = words.chars().take(40).collect();
            let first = words.split(|c: char| !c.is_alphanumeric() && c != '_').find(|word| !word.is_empty());
            return Err(Obstacle::at(
                first.unwrap_or_default(),
                format!("what `{short}` does with changed rows is not known"),
            ));
        }
    }
    Ok(())
}

fn literal(node: &SyntaxNode) -> Result<(), Obstacle> {
    let words = text(node);
    let inner = words.trim_matches('\'').trim().to_ascii_lowercase();
    if words.starts_with('\'') && MOMENTS.split_whitespace().any(|moment| moment == inner) {
        return Err(Obstacle::at(&words, format!("{words} may be another time in each refresh")));
    }
    Ok(())
}

/// A name that is a keyword: who asks, and the time of day, are others each time.
fn word(node: &SyntaxNode) -> Result<(), Obstacle> {
    use SyntaxKind as K;
    let token = node.first_token().map(|token| token.kind());
    let bad = matches!(
        token,
        Some(
            K::CURRENT_USER_KW
                | K::SESSION_USER_KW
                | K::CURRENT_ROLE_KW
                | K::CURRENT_CATALOG_KW
                | K::CURRENT_SCHEMA_KW
                | K::USER_KW
                | K::SYSTEM_USER_KW
                | K::CURRENT_TIME_KW
                | K::LOCALTIME_KW
        )
    );
    match bad {
        true => Err(Obstacle::at(&text(node), format!("{} is another in each refresh", text(node)))),
        false => Ok(()),
    }
}

/// A type: `regclass` and the like read the catalogs.
fn kind(node: &SyntaxNode) -> Result<(), Obstacle> {
    let names = node.descendants().filter(|inner| inner.kind() == SyntaxKind::PATH_SEGMENT_REF).map(|n| text(&n));
    match names.last().filter(|name| name.starts_with("reg") && name.len() > 3) {
        Some(name) => Err(Obstacle::at(&name, format!("{name} reads the catalogs"))),
        None => Ok(()),
    }
}

fn call(node: &SyntaxNode, known: &Known) -> Result<(), Obstacle> {
    match callee(node) {
        None => Ok(()),
        Some(Callee::Own(name)) => own(node, &name, known),
        Some(Callee::Made(schema, name)) => {
            let qualified = QName::new(schema, name);
            let function = known.made.get(&qualified);
            let function = function
                .ok_or_else(|| Obstacle::at(&qualified.name, format!("the function {qualified} is not known")))?;
            made(&qualified, function)
        }
    }
}

fn own(node: &SyntaxNode, name: &str, known: &Known) -> Result<(), Obstacle> {
    let listed = |list: &str| list.split_whitespace().any(|word| word == name);
    if listed(SYNTAX) || clock(node) {
        return Ok(());
    }
    if name == "age" && node.descendants().filter(|n| n.kind() == SyntaxKind::ARG).count() == 1 {
        return Err(Obstacle::at("age", "age() of one value counts from today"));
    }
    let Some(function) = known.functions.get(name) else {
        return Err(Obstacle::at(name, format!("the function {name}() is not known")));
    };
    match function.volatility {
        'i' => Ok(()),
        's' if listed(SETTINGS_ONLY) => Ok(()),
        's' if name == "age" => Ok(()),
        's' => Err(Obstacle::at(name, format!("{name}() may give something else in each refresh"))),
        _ => Err(Obstacle::at(name, format!("{name}() is volatile"))),
    }
}

fn made(name: &QName, function: &Function) -> Result<(), Obstacle> {
    match function.volatility {
        'i' => Ok(()),
        's' => Err(Obstacle::at(
            &name.name,
            format!("the function {name} is STABLE: it may read tables that are not logged"),
        )),
        _ => Err(Obstacle::at(&name.name, format!("the function {name} is volatile"))),
    }
}

/// The names of the tables, views and functions that a query speaks of.
pub(super) fn relations(root: &SyntaxNode) -> Vec<Vec<String>> {
    let named = root.descendants().filter(|node| node.kind() == SyntaxKind::RELATION_NAME_REF);
    named.map(|node| path(&node)).collect()
}
