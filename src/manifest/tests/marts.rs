//! What one mart may say.

use super::{mart, matview, table, told, view};

#[test]
fn names() {
    let long = "x".repeat(64);
    assert_eq!(
        told(&view(&format!("name = ''\nschema = 'pg_temp'\nowner = '{long}'\n"))),
        [
            "m.toml:3:8 `name` is empty «''» (choose another name)",
            "m.toml:4:10 the schema \"pg_temp\" is PostgreSQL's own «'pg_temp'» (choose another schema)",
            format!(
                "m.toml:5:9 the name \"{long}\" has 64 bytes; PostgreSQL keeps 63 «'{long}'» (choose another name)"
            )
            .as_str(),
        ]
    );
    let longest = format!("{}x", "é".repeat(31));
    assert!(told(&table(&format!("name = '{longest}'\n"))).is_empty());
    assert_eq!(
        told(&view("name = \"a\\u0000b\"\n")),
        ["m.toml:3:8 `name` contains a NUL character «\"a\\u0000b\"» (choose another name)"]
    );
    assert_eq!(mart(&view("name = 'Sales \"2024\" ñ'\n")).mart.name.name, "Sales \"2024\" ñ");
}

#[test]
fn what_a_kind_cannot_have() {
    assert_eq!(
        told(&view(
            "primary_key = ['a']\npublish = 'swap'\ntablespace = 't'\nwith = { fillfactor = 90 }\n\
             columns = { a = { not_null = true } }\n[[indexes]]\ncolumns = ['a']\n[refresh]\nsuspend = true\n\
             [retention]\ncolumn = 'a'\nkeep = '1d'\n"
        )),
        [
            "m.toml:3:1 a view cannot have `primary_key` «primary_key» (use `type = \"table\"`)",
            "m.toml:4:1 a view cannot have `publish` «publish» (use `type = \"table\"`)",
            "m.toml:5:1 a view cannot have `tablespace` «tablespace» (a view stores nothing; remove it)",
            "m.toml:6:10 a view has no option `fillfactor` «fillfactor» (a view's options are security_invoker, security_barrier, check_option)",
            "m.toml:7:19 a view cannot have NOT NULL columns «not_null» (use `type = \"table\"`, or remove it)",
            "m.toml:8:3 a view cannot have `indexes` «indexes» (use `type = \"materialized_view\"` or \"table\")",
            "m.toml:10:2 a view cannot have `refresh` «refresh» (a view is always up to date; remove it, or use another type)",
            "m.toml:12:2 a view cannot have `retention` «retention» (restrict its query, or use `type = \"table\"`)",
        ]
    );
    assert_eq!(
        told(&matview(
            "primary_key = ['a']\npublish = 'swap'\nwith = { security_invoker = true, 'a b' = 1 }\nrefresh = { concurrent = false }\nretention = { column = 'a', keep = '1d' }\n"
        )),
        [
            "m.toml:3:1 a materialized view cannot have `primary_key` «primary_key» (use `type = \"table\"`)",
            "m.toml:4:1 a materialized view cannot have `publish` «publish» (use `type = \"table\"`)",
            "m.toml:5:10 `security_invoker` is an option of views, not of a materialized view «security_invoker» (remove it, or use `type = \"view\"`)",
            "m.toml:5:35 \"a b\" is not the name of a parameter «'a b'» (write for example `with = { fillfactor = 90 }`)",
            "m.toml:7:1 a materialized view cannot have `retention` «retention» (restrict its query, or use `type = \"table\"`)",
        ]
    );
    assert!(told(&view("with = { security_barrier = true, check_option = 'local' }\n")).is_empty());
}

#[test]
fn indexes() {
    assert_eq!(
        told(&table(
            "[[indexes]]\nname = 'i'\ncolumns = ['a', 'a']\n[[indexes]]\nname = 'i'\ncolumns = ['lower(b)', 'day desc']\n\
             [[indexes]]\ncolumns = ['day']\nwhere = 'day > now() - interval ''1 day'''\n"
                .replace("'day > now() - interval ''1 day'''", "\"day > now() - interval '30 days'\"")
                .as_str()
        )),
        [
            "m.toml:5:17 warning: a stands twice in this index «'a'» (remove one of them)",
            "m.toml:7:8 the index \"i\" is declared twice «'i'» (give it another name)",
            "m.toml:8:12 \"lower(b)\" looks like an expression «'lower(b)'» (write it in parentheses: \"(lower(b))\")",
            "m.toml:8:24 \"day desc\" is more than a column «'day desc'» (write { column = \"day\", order = \"desc\" })",
            "m.toml:11:9 now() changes by itself, and what an index is made of must be IMMUTABLE «\"day > now() - interval '30 days'\"» (compare with a constant, or index the column itself)",
        ]
    );
    assert_eq!(
        told(&table(
            "[[indexes]]\ncolumns = ['(a::date = current_date)']\n[[indexes]]\ncolumns = ['(a b c']\n\
             [[indexes]]\ncolumns = ['a', 'b']\nmethod = 'hash'\nunique = true\ninclude = ['c']\n[[indexes]]\ncolumns = []\n\
             [[indexes]]\ncolumns = ['a']\nmethod = 'betree'\n[[indexes]]\ncolumns = ['z']\n[[indexes]]\ncolumns = ['z']\n"
        )),
        [
            "m.toml:4:12 current_date changes by itself, and what an index is made of must be IMMUTABLE «'(a::date = current_date)'» (compare with a constant, or index the column itself)",
            "m.toml:6:12 this is not an expression: syntax error: expected `,` «'(a b c'»",
            "m.toml:8:1 a hash index cannot have more than one column «columns» (use `method = \"btree\"`)",
            "m.toml:10:1 a hash index cannot be unique «unique» (use `method = \"btree\"`)",
            "m.toml:11:1 a hash index cannot include columns «include» (use `method = \"btree\"`)",
            "m.toml:13:1 a btree index cannot be without columns «columns» (name at least one column)",
            "m.toml:16:10 `indexes[4].method` cannot be \"betree\" «'betree'» (did you mean \"btree\"?)",
            "m.toml:19:1 warning: this index is the same as \"m_z_idx\" «[[indexes]]» (remove one of them)",
        ]
    );
}

#[test]
fn default_index_names_are_postgresql_s() {
    let columns = "c".repeat(60);
    let text = table(&format!(
        "[[indexes]]\ncolumns = ['a', 'b']\ninclude = ['c']\n[[indexes]]\ncolumns = ['(lower(a))', '(a || b)', '(b || a)']\n\
         [[indexes]]\ncolumns = ['a']\n[[indexes]]\ncolumns = ['a']\nwhere = 'b > 0'\n[[indexes]]\ncolumns = ['{columns}']\n\
         [[indexes]]\ncolumns = ['b']\nname = 'm_a_idx2'\n[[indexes]]\ncolumns = ['a']\nwhere = 'b > 1'\n"
    ));
    let names: Vec<String> = mart(&text).mart.indexes.into_iter().map(|i| i.name).collect();
    assert_eq!(
        names,
        [
            "m_a_b_c_idx",
            "m_lower_expr_expr1_idx",
            "m_a_idx",
            "m_a_idx1",
            format!("m_{}_idx", "c".repeat(57)).as_str(),
            "m_a_idx2",
            "m_a_idx3",
        ]
    );
}

#[test]
fn concurrent_needs_a_unique_index() {
    let help = "add an index on columns that tell rows apart, without `where` and expressions: \
                `[[indexes]]` with `columns = [\"a\"]` and `unique = true`";
    let partial = "[[indexes]]\ncolumns = ['a']\nunique = true\nwhere = 'a > 0'\n";
    assert_eq!(
        told(&matview(&format!("refresh = {{ concurrent = true }}\n{partial}"))),
        [format!("m.toml:3:26 `concurrent = true` needs a unique index «true» ({help})")]
    );
    assert_eq!(
        told(&matview(partial)),
        [format!(
            "m.toml:1:8 warning: without a unique index refreshes are plain and block readers «\"materialized_view\"» ({help})"
        )]
    );
    let whole = "[[indexes]]\ncolumns = ['a']\nunique = true\n";
    assert!(told(&matview(&format!("refresh = {{ concurrent = true }}\n{whole}"))).is_empty());
    assert!(told(&matview("refresh = { concurrent = false }\n")).is_empty());
    assert_eq!(mart(&matview(whole)).mart.refresh.concurrent, None);
}

#[test]
fn grants() {
    assert_eq!(
        told(&table(
            "[[grants]]\nrole = 'bi'\nprivileges = ['SELCT', 'ALL']\n[[grants]]\nrole = ''\nprivileges = ['DELETE']\ncolumns = ['a']\n\
             [[grants]]\nrole = 'x'\nprivileges = []\n"
        )),
        [
            "m.toml:5:15 unknown privilege \"SELCT\" «'SELCT'» (did you mean \"SELECT\"?)",
            "m.toml:5:24 unknown privilege \"ALL\" «'ALL'» (write the privileges by name: SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN)",
            "m.toml:7:8 `grants[1].role` is empty «''» (choose another name)",
            "m.toml:8:15 DELETE cannot be granted on columns «'DELETE'» (on columns there are SELECT, INSERT, UPDATE, REFERENCES)",
            "m.toml:12:14 no privileges are named «[]» (write for example `privileges = [\"SELECT\"]`)",
        ]
    );
    assert_eq!(mart(&table("grants = []\n")).mart.grants, Some(vec![]));
    assert_eq!(mart(&table("")).mart.grants, None);
}

#[test]
fn rows_are_kept_for_a_time() {
    let kept = |text: &str| mart(&table(text)).mart.retention.map(|r| (r.column, r.keep));
    assert_eq!(kept("[retention]\ncolumn = 'Day'\nkeep = '90 days'\n"), Some(("Day".into(), 7_776_000)));
    assert_eq!(kept(""), None);
    assert_eq!(
        told(&table("[retention]\nkeep = 90\n")),
        [
            "m.toml:3:1 `retention.column` is missing «[retention]» (add `column = \"day\"`)",
            "m.toml:4:8 `retention.keep` takes a duration with its unit, not an integer «90» (write `keep = \"90s\"` for seconds)",
        ]
    );
    let keep = |time: &str| told(&table(&format!("retention = {{ column = 'a', keep = '{time}' }}\n")));
    assert_eq!(keep("0s"), ["m.toml:3:36 nothing is kept «'0s'» (say how long, for example `keep = \"90 days\"`)"]);
    assert_eq!(
        keep("400000d"),
        ["m.toml:3:36 this is longer than a thousand years «'400000d'» (leave `[retention]` out to keep every row)"]
    );
}

#[test]
fn smaller_things() {
    assert_eq!(
        told(&table(
            "primary_key = ['a', 'a']\nrenamed_from = ['']\nsession = { role = 'x', search_path = 'a b' }\n\
             freshness = { warn_after = '2h', error_after = '1h' }\n"
        )),
        [
            "m.toml:3:21 a stands twice in the primary key «'a'» (remove one of them)",
            "m.toml:4:17 `renamed_from` has an empty name «''» (remove it)",
            "m.toml:5:13 `role` is not a setting of a mart's session «role» (use `owner`)",
            "m.toml:5:39 \"a b\" is not a list of schemas «'a b'» (write for example `search_path = \"sales, public\"`)",
            "m.toml:6:28 `warn_after` is longer than `error_after` «'2h'» (a warning comes before the error)",
        ]
    );
    let desired = mart(&view("session = { search_path = '\"Sales\", public' }\n"));
    assert_eq!(desired.mart.search_path, ["Sales", "public"]);
}

#[test]
fn an_empty_description_is_none() {
    let mart = mart(&view("description = ''\ncolumns = { a = { description = '' } }\n")).mart;
    assert_eq!((mart.description, mart.columns["a"].description.as_ref()), (None, None));
}
