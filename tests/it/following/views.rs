//! Marts that follow tables through views which are marts, too.

use crate::cli::rig::Rig;

/// The view is made in the transaction in which the rows above it are computed: nobody changed it since.
#[test]
fn a_view_that_came_with_the_rows_did_not_change() {
    let rig = Rig::of(&[
        ("vv.toml", "type = \"view\"\nquery = \"SELECT * FROM src\"\n"),
        (
            "tv.toml",
            "type = \"table\"\nquery = \"SELECT a, sum(b) AS s FROM vv GROUP BY a\"\n[refresh]\nstrategy = \"incremental\"\n",
        ),
    ]);
    rig.sql("CREATE TABLE src (a int, b int); CREATE INDEX ON src (a)");
    rig.sql("INSERT INTO src SELECT g % 1000, g FROM generate_series(1, 20000) AS g; ANALYZE src");
    rig.run(&["apply", "--auto-approve"]).done();
    let last = "SELECT concat_ws(': ', method, reason) FROM datamart.refreshes ORDER BY started_at DESC LIMIT 1";
    let refreshed = || {
        rig.sql("INSERT INTO src VALUES (1, 1)");
        rig.run(&["refresh", "tv"]).done();
        rig.value(last)
    };
    assert!(refreshed().starts_with("changes"), "{}", rig.value(last));
    // Another one in its place is one.
    rig.sql("CREATE OR REPLACE VIEW vv AS SELECT a, b + 1 AS b FROM src");
    let said = refreshed();
    assert!(said.contains("a view that its query reads changed"), "{said}");
}
