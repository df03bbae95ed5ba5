//! `import` of a database that has grown, and `plan` after it was adopted.

use std::process::Command;

use crate::Result;
use crate::database::{Durability, Server, execute};
use crate::program::{self, Program};
use crate::report::{Spread, table, verdict};

const TABLES: usize = 450;
const VIEWS: usize = 130;
const MATERIALIZED: usize = 55;
/// Indexes of tables and materialized views together.
const INDEXES: usize = 2_600;
/// Partitions that are none of the marts' business.
const PARTITIONS: usize = 2_000;

/// Seconds.
const IMPORT: f64 = 2.0;
const PLAN: f64 = 0.15;

/// What anybody would ask the server for: the text of every definition.
const RAW: &str = "SELECT pg_get_viewdef(oid, true) FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace;
SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE c.relkind = 'm'";

/// Takes and prints the figures.
pub async fn measure(program: &Program, runs: usize) -> Result<()> {
    let mut server = Server::start(Durability::Fast).await?;
    let mut rows = Vec::new();
    for partitions in [0, PARTITIONS] {
        let database = server.database().await?;
        for script in scripts(partitions) {
            execute(&database, &script).await?;
        }
        let with = |name: &str| format!("{name}, {partitions} foreign partitions");
        let mut imports = Vec::new();
        let mut ratios = Vec::new();
        for _ in 0..runs {
            let raw = psql(database.url())?;
            let folder = tempfile::tempdir()?;
            let run = import(program, &folder, database.url(), &[])?;
            ratios.extend(raw.map(|raw| run / raw));
            imports.push(run);
        }
        rows.push(row(&with("import"), &Spread::of(imports), Some(IMPORT)));
        if !ratios.is_empty() {
            rows.push(row("  times psql printing the definitions", &Spread::of(ratios), None));
        }
        let folder = tempfile::tempdir()?;
        let adopt = import(program, &folder, database.url(), &["--adopt"])?;
        rows.push(row(&with("import --adopt, the first"), &Spread::of([adopt]), Some(IMPORT)));
        let again = (0..runs).map(|_| import(program, &folder, database.url(), &["--adopt"]));
        rows.push(row(&with("import --adopt, again"), &Spread::of(again.collect::<Result<Vec<_>>>()?), Some(IMPORT)));
        let plan = || -> Result<f64> {
            let dir = folder.path().as_os_str();
            let args = ["--dir".as_ref(), dir, "--database-url".as_ref(), database.url().as_ref()];
            // Its exit code says that there is nothing to change.
            let run = program.run(args.into_iter().chain(["plan".as_ref(), "--detailed-exitcode".as_ref()]))?;
            Ok(run.wall.as_secs_f64())
        };
        plan()?;
        let plans = (0..runs * 3).map(|_| plan()).collect::<Result<Vec<_>>>()?;
        rows.push(row(&with("plan after adoption"), &Spread::of(plans), Some(PLAN)));
    }
    server.stop().await?;
    let title =
        format!("{TABLES} tables, {VIEWS} views, {MATERIALIZED} materialized views, {INDEXES} indexes, {runs} runs");
    table(&title, &["seconds", "min", "median", "max", "target", "verdict"], &rows);
    Ok(())
}

fn row(name: &str, spread: &Spread, target: Option<f64>) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    row.extend(spread.cells(3));
    row.push(target.map(|target| target.to_string()).unwrap_or_default());
    row.push(target.map(|target| verdict(spread.median, target)).unwrap_or_default());
    row
}

fn import(program: &Program, folder: &tempfile::TempDir, url: &str, more: &[&str]) -> Result<f64> {
    let dir = folder.path().as_os_str();
    let args = ["--dir".as_ref(), dir, "--database-url".as_ref(), url.as_ref(), "import".as_ref()];
    let run = program.run(args.into_iter().chain(more.iter().map(|arg| (*arg).as_ref())))?;
    Ok(run.wall.as_secs_f64())
}

/// The seconds that psql takes to print the definitions; `None` where there is no psql.
fn psql(url: &str) -> Result<Option<f64>> {
    if Command::new("psql").arg("--version").output().is_err() {
        return Ok(None);
    }
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t", "-c", RAW]).arg(url);
    Ok(Some(program::run(&mut command)?.wall.as_secs_f64()))
}

/// The database, in parts that fit into the lock table.
fn scripts(partitions: usize) -> Vec<String> {
    let mut scripts = Vec::new();
    let on_tables = INDEXES - MATERIALIZED * 3;
    for chunk in (0..TABLES).collect::<Vec<_>>().chunks(50) {
        let mut sql = String::from("SET search_path = public;");
        for number in chunk {
            sql.push_str(&format!(
                "CREATE TABLE t{number} (id bigint PRIMARY KEY, day date, category text, region varchar(20), amount numeric(12,2), quantity int);"
            ));
            // Each has the primary key's already.
            let more = (0..on_tables - TABLES).filter(|index| index % TABLES == *number);
            for index in more {
                let column = ["day", "category", "region", "amount", "quantity"][index / TABLES];
                sql.push_str(&format!("CREATE INDEX t{number}_{index} ON t{number} ({column});"));
            }
        }
        scripts.push(sql);
    }
    let mut sql = String::from("SET search_path = public;");
    for number in 0..MATERIALIZED {
        let (a, b) = (number * 3, number * 3 + 1);
        sql.push_str(&format!(
            "CREATE MATERIALIZED VIEW m{number} AS SELECT x.day, x.category, sum(x.amount) AS amount, count(*) FILTER (WHERE y.region IN ('a', 'b')) AS n \
             FROM t{a} x JOIN t{b} y USING (id) WHERE x.quantity > 0 GROUP BY x.day, x.category;\
             CREATE UNIQUE INDEX m{number}_key ON m{number} (day, category); CREATE INDEX m{number}_lower ON m{number} (lower(category));\
             CREATE INDEX m{number}_amount ON m{number} (amount DESC NULLS LAST) WHERE n > 0; COMMENT ON MATERIALIZED VIEW m{number} IS 'sums of t{a}';"
        ));
    }
    scripts.push(sql);
    let mut sql = String::from("SET search_path = public;");
    for number in 0..VIEWS {
        let table = number * 3 % TABLES;
        let below = match number % 4 {
            0 => format!("m{}", number % MATERIALIZED),
            1 if number > 4 => format!("v{}", number - 4),
            _ => format!("t{table}"),
        };
        sql.push_str(&format!(
            "CREATE VIEW v{number} AS SELECT s.day, s.category, CASE WHEN s.amount > 100 THEN 'large' WHEN s.amount > 10 THEN 'middle' ELSE 'small' END AS size, \
             s.amount, rank() OVER (PARTITION BY s.day ORDER BY s.amount DESC) AS place FROM {below} s LEFT JOIN t{} t ON t.day = s.day WHERE s.category <> 'none';\
             COMMENT ON VIEW v{number} IS 'over {below}'; COMMENT ON COLUMN v{number}.size IS 'by amount';",
            (table + 7) % TABLES
        ));
    }
    scripts.push(sql);
    if partitions > 0 {
        scripts.push("CREATE TABLE public.events (id bigint, day int) PARTITION BY LIST (day);".to_owned());
        for chunk in (0..partitions).collect::<Vec<_>>().chunks(200) {
            let parts = chunk.iter().map(|number| {
                format!("CREATE TABLE public.events_{number} PARTITION OF public.events FOR VALUES IN ({number});")
            });
            scripts.push(parts.collect());
        }
    }
    scripts.push("ANALYZE pg_class; ANALYZE pg_attribute; ANALYZE pg_index; ANALYZE pg_depend; ANALYZE pg_rewrite; ANALYZE pg_inherits".to_owned());
    scripts
}
