//! Queries that cannot follow changes: what is said, and where.

use datamart::compile::{CompileError, compile};

use super::shapes::TABLES;
use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project;

const REFUSED: &[&str] = &[
    "SELECT count(*) AS n FROM orders",
    "SELECT kind, count(*) AS n FROM orders GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT n FROM t JOIN orders ON id = n",
    "SELECT kind, random() AS r FROM orders",
    "SELECT id, now() - at AS age FROM orders",
    "SELECT kind, count(*) AS n FROM orders TABLESAMPLE system (10) GROUP BY 1",
    "SELECT kind, count(*) AS n FROM seen GROUP BY 1",
    "SELECT kind, count(*) AS n FROM pg_class c JOIN orders o ON o.id = c.relpages GROUP BY 1",
    "SELECT kind, count(*) AS n FROM ONLY orders GROUP BY 1",
    "SELECT looked(c_id) AS c, count(*) AS n FROM orders GROUP BY 1",
    "SELECT kind, row_number() OVER (ORDER BY id) AS r FROM orders",
    "SELECT kind, day, count(*) AS n FROM orders GROUP BY ROLLUP (kind, day)",
    "SELECT kind, current_user AS me FROM orders",
    "SELECT kind, count(*) AS n FROM orders GROUP BY 1 HAVING max(at) > now()",
    "SELECT kind, count(*) AS n FROM secret GROUP BY 1",
    "SELECT 1 AS one",
    "SELECT tags, count(*) AS n FROM orders GROUP BY 1",
    "SELECT kind, count(*) AS n FROM divided GROUP BY 1",
];

#[test]
fn a_query_that_cannot_follow_is_told_at_its_clause() {
    run(async {
        let database = Database::new().await;
        database.script(TABLES).await;
        database
            .script(
                "CREATE MATERIALIZED VIEW seen AS SELECT kind FROM orders;
                 CREATE TABLE secret (kind text); ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
                 CREATE TABLE divided (kind text) PARTITION BY LIST (kind);
                 CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER there FOREIGN DATA WRAPPER nowhere;
                 CREATE FOREIGN TABLE far PARTITION OF divided DEFAULT SERVER there;
                 CREATE FUNCTION looked(int) RETURNS int STABLE LANGUAGE sql AS 'SELECT $1'",
            )
            .await;
        let folder = Folder::of(&[]);
        for (number, query) in REFUSED.iter().enumerate() {
            let text = format!("type = \"table\"\nquery = '''{query}'''\n[refresh]\nstrategy = \"incremental\"\n");
            folder.write(&format!("m{number:02}.toml"), &text);
        }
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let marts: Vec<_> = desired.marts.iter().collect();
        let Err(CompileError::Refused { failures, .. }) = compile(&mut conn, &marts, 3_000).await else {
            panic!("nothing is refused");
        };
        let told: Vec<String> = failures
            .iter()
            .map(|failure| {
                let number: usize = failure.mart.name[1..].parse().expect("a number");
                let at = failure.error.position.expect("a place") - 1;
                let rest: String = REFUSED[number].chars().skip(at).take(16).collect();
                format!("{} «{rest}»", failure.error.message)
            })
            .collect();
        assert!(failures.iter().all(|failure| failure.error.hint.as_ref().is_some_and(|hint| hint.contains("window"))));
        insta::assert_snapshot!(told.join("\n"), @r#"
    public.m00 cannot follow what changes: without GROUP BY all rows are one group, and any change means all of it «SELECT count(*) »
    public.m01 cannot follow what changes: which rows LIMIT picks depends on all of them «LIMIT 10»
    public.m02 cannot follow what changes: a recursive query may follow a change anywhere «WITH RECURSIVE t»
    public.m03 cannot follow what changes: random() is volatile «random() AS r FR»
    public.m04 cannot follow what changes: now() is another in each refresh, which is followed only where WHERE compares a column with it «now() - at AS ag»
    public.m05 cannot follow what changes: TABLESAMPLE picks other rows each time «TABLESAMPLE syst»
    public.m06 cannot follow what changes: public.seen is a materialized view: its refreshes are not logged «seen GROUP BY 1»
    public.m07 cannot follow what changes: pg_class is a catalog: its changes are not logged «pg_class c JOIN »
    public.m08 cannot follow what changes: ONLY reads a part of a table whose changes are logged whole «ONLY orders GROU»
    public.m09 cannot follow what changes: the function public.looked is STABLE: it may read tables that are not logged «looked(c_id) AS »
    public.m10 cannot follow what changes: no column of the result is in the PARTITION BY of every window «OVER (ORDER BY i»
    public.m11 cannot follow what changes: no column of the result is in every grouping set «ROLLUP (kind, da»
    public.m12 cannot follow what changes: CURRENT_USER is another in each refresh «current_user AS »
    public.m13 cannot follow what changes: now() is another in each refresh, which is followed only where WHERE compares a column with it «now()»
    public.m14 cannot follow what changes: public.secret has row security: who reads it decides what is there «secret GROUP BY »
    public.m15 cannot follow what changes: it reads no table «SELECT 1 AS one»
    public.m16 cannot follow what changes: no column of the result (tags, n) tells the rows apart that a change may affect «SELECT tags, cou»
    public.m17 cannot follow what changes: public.divided has the partition public.far, a foreign table: its changes happen elsewhere «divided GROUP BY»
    "#);
    });
}
