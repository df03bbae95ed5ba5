//! `[[checks]]`.

use super::{mart, table, told, view};
use crate::state::{CheckForm, CheckSeverity};

fn lines(checks: &[&str]) -> Vec<String> {
    let text: String = checks.iter().map(|check| format!("[[checks]]\n{check}\n")).collect();
    told(&table(&text)).into_iter().map(|line| line.replace("m.toml:", "")).collect()
}

#[test]
fn every_form_is_read() {
    let text = "[[checks]]\nsql = 'SELECT * FROM {this} WHERE a < 0; -- none'\nseverity = 'warn'\n\
                [[checks]]\nname = 'known'\nnot_null = ['a']\n\
                [[checks]]\nunique = ['a', 'b']\n\
                [[checks]]\naccepted = { column = 'a', values = ['x', 0x10, 1.5, true] }\n\
                [[checks]]\nrows = { min = 1 }\n\
                [[checks]]\nfresh = { column = 'a', within = '2 days' }\n";
    let checks = mart(&view(text)).mart.checks;
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["sql", "known", "unique_a_b", "accepted_a", "rows", "fresh_a"]);
    assert_eq!((checks[0].severity, checks[1].severity), (CheckSeverity::Warn, CheckSeverity::Error));
    assert_eq!(checks[0].form, CheckForm::Sql("SELECT * FROM {this} WHERE a < 0".into()));
    let values = ["x", "16", "1.5", "true"].map(str::to_owned).to_vec();
    assert_eq!(checks[3].form, CheckForm::Accepted { column: "a".into(), values });
    assert_eq!(checks[4].form, CheckForm::Rows { min: Some(1), max: None });
    assert_eq!(checks[5].form, CheckForm::Fresh { column: "a".into(), within: 172_800 });
}

#[test]
fn a_check_has_exactly_one_form() {
    let help = "(give it exactly one of `sql`, `not_null`, `unique`, `accepted`, `rows`, `fresh`)";
    assert_eq!(
        lines(&["name = 'x'", "not_null = ['a']\nunique = ['a']"]),
        [
            format!("3:1 the check does not say what is checked «[[checks]]» {help}"),
            format!("7:1 a check is of one form, and this one has `not_null`, `unique` «unique» {help}"),
        ]
    );
}

#[test]
fn names_are_told_apart() {
    assert_eq!(
        lines(&[
            "not_null = ['a']",
            "not_null = ['a']",
            "name = 'x'\nrows = { min = 1 }",
            "name = 'x'\nunique = ['a']",
            "name = ' '\nunique = ['a']"
        ]),
        [
            "5:1 the check \"not_null_a\" is declared twice «[[checks]]» (give it a `name` of its own)",
            "11:8 the check \"x\" is declared twice «'x'» (give it another name)",
            "14:8 \" \" is not the name of a check «' '» (choose another name, in one line)",
        ]
    );
}

#[test]
fn what_says_nothing_is_refused() {
    assert_eq!(
        lines(&[
            "not_null = []",
            "unique = ['a', 'a']",
            "accepted = { column = 'a', values = [] }",
            "rows = {}",
            "rows = { min = 3, max = 2 }",
            "fresh = { column = 'a', within = 5 }",
            "rows = { min = -1 }",
            "accepted = { column = 'a' }",
        ]),
        [
            "4:12 the check names no columns «[]» (name at least one)",
            "6:16 a stands twice in this check «'a'» (remove one of them)",
            "8:37 no values are accepted «[]» (name at least one; `not_null` is about NULL)",
            "10:1 `rows` has no bound «rows» (write for example `rows = { min = 1 }`)",
            "12:16 `min` is larger than `max` «3» (no number of rows is both)",
            "14:34 `checks[5].fresh.within` takes a duration with its unit, not an integer «5» (write `within = \"5s\"` for seconds)",
            "16:16 `checks[6].rows.min` is between 0 and 9223372036854775807 «-1» (write for example `min = 1`)",
            "18:12 `checks[7].accepted.values` is missing «{ column = 'a' }» (add `values = [\"new\", \"paid\"]`)",
        ]
    );
}

#[test]
fn a_query_is_told_at_its_place() {
    assert_eq!(
        lines(&[
            "sql = '''\nSELECT *\nFROM orders'''",
            "sql = \"SELECT '{this}' FROM {this}\"",
            "sql = 'DROP TABLE {this}'",
            "sql = 'SELECT * FORM {this}'"
        ]),
        [
            "5:1 the check does not read {this} «SELECT *\nFROM orders» ({this} is the mart: write for example `SELECT * FROM {this} WHERE …`)",
            "8:16 {this} stands for the mart's name, and here stands no name «{this}» (write it without quotes, as in `FROM {this}`)",
            "10:8 a check's query is a SELECT, VALUES or TABLE, not DROP «DROP» (keep only the query; datamart writes the statement around it)",
            "12:17 syntax error: missing comma «FORM»",
        ]
    );
}
