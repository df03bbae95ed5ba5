//! Queries, and their places in TOML and SQL files.

use super::{Folder, mart, told};

#[test]
fn one_of_query_and_query_file() {
    assert_eq!(
        told("type = 'view'\nquery = 'SELECT 1'\nquery_file = 'x.sql'\n"),
        ["m.toml:3:1 both `query` and `query_file` are given «query_file» (keep one of them)"]
    );
    assert_eq!(
        told("type = 'view'\nquery_file = 'x.sql'\n"),
        ["m.toml:2:14 cannot read x.sql: no such file «'x.sql'» (the path is relative to this file)"]
    );
    assert_eq!(
        told("type = 'view'\nquery_file = '/etc/passwd'\n"),
        [
            "m.toml:2:14 `query_file` takes a path relative to this file «'/etc/passwd'» (write for example `query_file = \"sales_summary.sql\"`)"
        ]
    );
}

#[test]
fn problems_stand_at_their_place() {
    for (query, expected) in [
        (
            "\"\"\"\nSELECT *\nFROM a FOR UPDATE\n\"\"\"",
            "m.toml:4:8 a mart's query must not lock rows «FOR UPDATE» (remove the FOR UPDATE or FOR SHARE clause)",
        ),
        ("\"SELECT '\\u00e9\\t' , $1\"", "m.toml:2:30 a mart's query has no parameters «$1» (write the value itself)"),
        (
            "'''\r\nSELECT 1; SELECT 2'''",
            "m.toml:3:11 a second statement begins here «SELECT 2» (a mart has exactly one query; put the other one into a mart of its own)",
        ),
        (
            "'DROP TABLE x'",
            "m.toml:2:10 a mart's query is a SELECT, VALUES or TABLE, not DROP «DROP» (keep only the query; datamart writes the statement around it)",
        ),
        ("''", "m.toml:2:10 the query is empty «» (write one SELECT, VALUES or TABLE)"),
    ] {
        assert_eq!(told(&format!("type = 'view'\nquery = {query}\n")), [expected]);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_query() {
    let folder = Folder::new(&[
        ("m.toml", "\u{feff}type = 'view'\nquery_file = 'm.sql'\n"),
        ("m.sql", "\u{feff}SELECT amout\nFROM orders\n"),
    ]);
    let desired = folder.load().unwrap();
    let mart = &desired.marts[0];
    assert_eq!(mart.mart.query, "SELECT amout\nFROM orders");
    let (_, place) = mart.place_of(8).unwrap();
    assert_eq!((place.line, place.column), (1, 8));
}

#[test]
fn positions_of_the_server_are_found() {
    let desired = mart("type = 'view'\nquery = \"\"\"\nSELECT \\\"é\\\",\n  amout\nFROM orders;\n\"\"\"\n");
    assert_eq!(desired.mart.query, "SELECT \"é\",\n  amout\nFROM orders");
    let (file, place) = desired.place_of(15).unwrap();
    assert!(file.ends_with("m.toml"));
    assert_eq!((place.line, place.column), (4, 3));
    assert_eq!(&place.text[place.span], "amout");
    assert!(desired.place_of(500).is_none());
}

#[test]
fn a_query_file_is_beside_its_manifest() {
    let folder = Folder::new(&[
        ("sub/m.toml", "type = 'view'\nquery_file = 'q/m.sql'\n"),
        ("sub/q/m.sql", "-- head\nSELECT * FROM orders; -- tail\n"),
    ]);
    let desired = folder.desired().marts.remove(0);
    assert_eq!(desired.mart.query, "-- head\nSELECT * FROM orders");
    assert_eq!((desired.path.as_str(), desired.mart.name.name.as_str()), ("sub/m.toml", "m"));
    let (file, place) = desired.place_of(23).unwrap();
    assert!(file.ends_with("sub/q/m.sql"));
    assert_eq!((place.line, place.column), (2, 15));
}
