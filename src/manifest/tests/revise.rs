//! Manifests that change: only what differs is touched.

use super::save::{after, column, file, index, loaded, map, project, said, sorted};
use crate::manifest::save;
use crate::state::{ColumnDecl, Mart, Strategy};

/// The manifest after it was made to say what `change` makes of its mart.
fn revised(text: &str, change: impl FnOnce(&mut Mart)) -> String {
    let files = [file("m.toml", text), project()];
    let desired = loaded(&files);
    let old = &desired.marts[0];
    let mut new = old.mart.clone();
    change(&mut new);
    let changed = save::revise(old, &new, &desired).unwrap();
    assert_eq!(said(&after(&files, changed.clone())), sorted(new));
    changed.into_iter().next().map_or_else(|| text.to_owned(), |file| file.text)
}

const WRITTEN: &str = r#"# Sales, for the board.
type = 'materialized_view'   # not a view
tags = ["board"]

# nobody's business

# the boss wants it so
description = 'old'
query = '''
SELECT day, total FROM orders
''' # by hand
columns.total.description = "net"   # dotted

[refresh] # by night
  schedule = ["0 4 * * *"]
  strategy = 'scheduled'
  timeout = "2h"

# for the board

# the key
[[indexes]]
columns = [ 'day' ] # one
unique = true

# slow ones
[[indexes]]
columns = [ 'total' ]
where = 'total > 0'

# who reads

# the robots
[[grants]]
role = 'robot'
privileges = ['select']

# the rest
[[grants]]
role = "public"
privileges = ["SELECT"]
"#;

#[test]
fn what_is_the_same_is_not_touched() {
    assert_eq!(revised(WRITTEN, |_| {}), WRITTEN);
}

#[test]
fn only_what_differs_is_rewritten() {
    let text = revised(WRITTEN, |mart| {
        mart.description = Some("it's new".into());
        mart.query = "SELECT day,\n    total\nFROM orders".into();
        mart.owner = Some("other".into());
        mart.columns.insert("day".into(), ColumnDecl { description: Some("UTC".into()), not_null: false });
        mart.refresh.schedule = vec!["30m".into()];
        mart.timezone = "UTC".into();
        mart.indexes[1].keys[0].descending = true;
        mart.indexes.push(index("m_day_total_idx", vec![column("day"), column("total")]));
        mart.grants.as_mut().unwrap()[1].privileges = vec!["INSERT".into(), "SELECT".into()];
    });
    insta::assert_snapshot!(text, @r##"
    # Sales, for the board.
    type = 'materialized_view'   # not a view
    tags = ["board"]

    # nobody's business

    # the boss wants it so
    description = "it's new"
    query = """
    SELECT day,
        total
    FROM orders
    """ # by hand
    owner = "other"
    columns.total.description = "net"   # dotted
    columns.day = { description = "UTC" }

    [refresh] # by night
      schedule = "30m"
      strategy = 'scheduled'
      timeout = "2h"
      timezone = "UTC"

    # for the board

    # the key
    [[indexes]]
    columns = [ 'day' ] # one
    unique = true

    # slow ones
    [[indexes]]
    columns = [{ column = "total", order = "desc" }]
    where = 'total > 0'

    [[indexes]]
    columns = ["day", "total"]

    # who reads

    # the robots
    [[grants]]
    role = 'robot'
    privileges = ['select']

    # the rest
    [[grants]]
    role = "public"
    privileges = ["INSERT", "SELECT"]
    "##);
}

#[test]
fn what_goes_takes_only_its_own_comment() {
    let text = revised(WRITTEN, |mart| {
        mart.description = None;
        mart.columns.clear();
        mart.indexes.remove(1);
        mart.grants.as_mut().unwrap().remove(0);
    });
    insta::assert_snapshot!(text, @r##"
    # Sales, for the board.
    type = 'materialized_view'   # not a view
    tags = ["board"]

    # nobody's business

    query = '''
    SELECT day, total FROM orders
    ''' # by hand

    [refresh] # by night
      schedule = ["0 4 * * *"]
      strategy = 'scheduled'
      timeout = "2h"

    # for the board

    # the key
    [[indexes]]
    columns = [ 'day' ] # one
    unique = true

    # who reads

    # the rest
    [[grants]]
    role = "public"
    privileges = ["SELECT"]
    "##);
    let text = revised(WRITTEN, |mart| {
        mart.indexes.clear();
        mart.grants = Some(Vec::new());
    });
    insta::assert_snapshot!(text, @r##"
    # Sales, for the board.
    type = 'materialized_view'   # not a view
    tags = ["board"]

    # nobody's business

    # the boss wants it so
    description = 'old'
    query = '''
    SELECT day, total FROM orders
    ''' # by hand
    grants = []
    columns.total.description = "net"   # dotted

    [refresh] # by night
      schedule = ["0 4 * * *"]
      strategy = 'scheduled'
      timeout = "2h"

    # for the board

    # who reads
    "##);
}

#[test]
fn tables_in_braces_stay_in_braces() {
    let written = r#"type = "table"
query = "SELECT 1 AS a"
with = { fillfactor = 90 }
refresh = {strategy = "manual"}
indexes = [{ columns = ["a"], with = { fillfactor = 80 } }, { columns = ["b"] }]
grants = [{ role = "r", privileges = ["SELECT"] }]
"#;
    let text = revised(written, |mart| {
        mart.with = map(&[("autovacuum_enabled", "false"), ("fillfactor", "70")]);
        mart.refresh.strategy = Strategy::Full;
        mart.timezone = "UTC".into();
        mart.indexes[0].with.clear();
        mart.indexes.remove(1);
        mart.indexes.push(index("named", vec![column("c")]));
        mart.grants = None;
    });
    insta::assert_snapshot!(text, @r##"
    type = "table"
    query = "SELECT 1 AS a"
    with = { fillfactor = 70, autovacuum_enabled = false }
    refresh = {strategy = "full", timezone = "UTC"}
    indexes = [{ columns = ["a"] }, { name = "named", columns = ["c"] }]
    "##);
}

#[test]
fn a_name_is_said_where_another_would_be_chosen() {
    let unnamed = "type = \"table\"\nquery = \"SELECT 1 AS a\"\n[[indexes]]\ncolumns = [\"a\"]\n[[indexes]]\ncolumns = [\"a\"]\nunique = true\n";
    let text = revised(unnamed, |mart| drop(mart.indexes.remove(0)));
    insta::assert_snapshot!(text, @r##"
    type = "table"
    query = "SELECT 1 AS a"
    [[indexes]]
    columns = ["a"]
    unique = true
    name = "m_a_idx1"
    "##);
    let text = revised(unnamed, |mart| mart.indexes[0].name = "by_a".into());
    insta::assert_snapshot!(text, @r##"
    type = "table"
    query = "SELECT 1 AS a"
    [[indexes]]
    columns = ["a"]
    name = "by_a"
    [[indexes]]
    columns = ["a"]
    unique = true
    name = "m_a_idx1"
    "##);
}

#[test]
fn entries_in_braces_keep_their_own_comments() {
    let text = |list: &str| format!("type = \"table\"\nquery = \"SELECT 1 AS a\"\nindexes = {list}\n");
    let without = |list: &str, at: &[usize], new: &str| {
        let revised = revised(&text(list), |mart| {
            for at in at {
                mart.indexes.remove(*at);
            }
            mart.indexes.extend((!new.is_empty()).then(|| index(&format!("m_{new}_idx"), vec![column(new)])));
        });
        revised.split_once("indexes = ").map(|(_, list)| list.trim_end().to_owned()).unwrap()
    };
    let written = r#"[ # fast
  { columns = ["a"] }, # one
  # the second
  { columns = ["b"] }, # two

  # for the board

  # the third
  { columns = ["c"] }, # three
  # no more
]"#;
    insta::assert_snapshot!(without(written, &[1], ""), @r##"
    [ # fast
      { columns = ["a"] }, # one

      # for the board

      # the third
      { columns = ["c"] }, # three
      # no more
    ]
    "##);
    insta::assert_snapshot!(without(written, &[1], "d"), @r##"
    [ # fast
      { columns = ["a"] }, # one

      # for the board

      # the third
      { columns = ["c"] }, # three
      { columns = ["d"] },
      # no more
    ]
    "##);
    insta::assert_snapshot!(without(written, &[0], ""), @r##"
    [ # fast
      # the second
      { columns = ["b"] }, # two

      # for the board

      # the third
      { columns = ["c"] }, # three
      # no more
    ]
    "##);
    insta::assert_snapshot!(without(written, &[2], "d"), @r##"
    [ # fast
      { columns = ["a"] }, # one
      # the second
      { columns = ["b"] }, # two
      { columns = ["d"] },

      # for the board

      # no more
    ]
    "##);
    insta::assert_snapshot!(without(written, &[2, 1, 0], "d"), @r##"
    [ # fast
      { columns = ["d"] },

      # for the board

      # no more
    ]
    "##);
    let no_comma = "[{ columns = [\"a\"] }, # one\n  { columns = [\"b\"] } # two\n]";
    insta::assert_snapshot!(without(no_comma, &[1], ""), @r##"
    [{ columns = ["a"] } # one
    ]
    "##);
    insta::assert_snapshot!(without(no_comma, &[], "d"), @r##"
    [{ columns = ["a"] }, # one
      { columns = ["b"] }, # two
      { columns = ["d"] }
    ]
    "##);
    insta::assert_snapshot!(without(no_comma, &[0], "d"), @r##"
    [
      { columns = ["b"] }, # two
      { columns = ["d"] }
    ]
    "##);
    let comma_first = "[\n    { columns = [\"a\"] } # one\n  , { columns = [\"b\"] } # two\n]";
    insta::assert_snapshot!(without(comma_first, &[1], "d"), @r##"
    [
        { columns = ["a"] } # one
      , { columns = ["d"] }
    ]
    "##);
    assert_eq!(without("[ { columns = ['a'] }, { columns = ['b'] } ]", &[0], ""), "[ { columns = ['b'] } ]");
    assert_eq!(without("[{ columns = ['a'] },]", &[], "d"), "[{ columns = ['a'] }, { columns = [\"d\"] },]");
}

#[test]
fn checks_stay_as_they_are() {
    let checks = "\n# what the board asked for\n[[checks]]\nnot_null = [ 'day' ] # always\n[[checks]]\nsql = 'SELECT FROM {this} WHERE total < 0'\nseverity = \"warn\"\n";
    let text = revised(&format!("{WRITTEN}{checks}"), |mart| {
        mart.description = Some("new".into());
        mart.indexes.pop();
    });
    assert!(text.contains(checks) && text.contains("'new'") | text.contains("\"new\""), "{text}");
}
