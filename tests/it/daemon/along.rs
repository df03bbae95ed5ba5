//! What follows changes of a mart goes along with it, in one transaction.

use super::rig::{Daemon, until};
use crate::cli::rig::Rig;

fn mart(query: &str, key: &str, more: &str) -> String {
    format!(
        "type = \"table\"\nquery = \"{query}\"\nprimary_key = [\"{key}\"]\n[refresh]\nstrategy = \"incremental\"\n{more}"
    )
}

#[test]
fn a_diamond_goes_along_with_its_top() {
    let rig = Rig::of(&[
        ("project.toml", "[project]\nname = \"shop\"\n"),
        ("a.toml", &mart("SELECT id, region, amount FROM orders", "id", "schedule = \"1s\"\n")),
        ("b.toml", &mart("SELECT region, sum(amount) AS total FROM a GROUP BY region", "region", "")),
        ("c.toml", &mart("SELECT region, count(*) AS n FROM a GROUP BY region", "region", "")),
        ("d.toml", &mart("SELECT b.region, b.total, c.n FROM b JOIN c USING (region)", "region", "")),
        ("e.toml", "type = \"table\"\nquery = \"SELECT count(*) AS n FROM d\"\n"),
    ]);
    rig.sql(
        "CREATE TABLE orders (id int PRIMARY KEY, region text NOT NULL, amount int NOT NULL);
         INSERT INTO orders SELECT n, 'r' || n % 4, n FROM generate_series(1, 20) AS n",
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.run(&["refresh", "--all", "-q"]).done();
    rig.sql("DELETE FROM datamart.refreshes");
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, "SELECT count(*) > 1 FROM datamart.refreshes WHERE mart = 'a' AND status = 'noop'");
    rig.sql("INSERT INTO orders VALUES (30, 'new', 5)");
    until(&rig, "SELECT count(*) = 1 FROM e WHERE n = 5");
    // Of b nothing but a total changes: of c and d's counts nothing is written.
    rig.sql("UPDATE orders SET amount = 7 WHERE id = 30");
    until(&rig, "SELECT count(*) = 2 FROM datamart.refreshes WHERE mart = 'e' AND status = 'success'");
    until(&rig, "SELECT count(*) = 0 FROM datamart.refreshes WHERE status IN ('queued', 'running')");
    daemon.stopped();
    let together = "SELECT string_agg(marts, ', ' ORDER BY marts) FROM (
        SELECT DISTINCT string_agg(mart || coalesce(' ' || cause, ''), ' ' ORDER BY mart) AS marts FROM datamart.refreshes
        WHERE status = 'success' AND mart <> 'e' GROUP BY snapshot, xmin::text) AS t";
    assert_eq!(rig.value(together), "a schedule b after c after d after");
    // What follows from nothing is not told of, and what reads the diamond follows once.
    let told = "SELECT string_agg(told, ', ' ORDER BY told) FROM (
        SELECT mart || ' ' || status || CASE WHEN status = 'noop' THEN '' ELSE ' ' || count(*) END AS told
        FROM datamart.refreshes GROUP BY mart, status) AS t";
    assert_eq!(rig.value(told), "a noop, a success 2, b success 2, c success 2, d success 2, e success 2");
    rig.run(&["verify", "a", "b", "c", "d", "e"]).done();
}
