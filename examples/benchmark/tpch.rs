//! The 22 queries of TPC-H as marts, at a tenth of its smallest scale, under inserts and deletes of orders. Derived from TPC-H, and
//! not comparable with its published results: neither the order of the rows nor a limit means anything in a mart.

use std::fmt::{Display, Write};

use datamart::database::Endpoint;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tempfile::TempDir;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen::q_and_a::queries;

use crate::Result;
use crate::changes::Scene;
use crate::database::{Durability, Server, execute};
use crate::program::Program;
use crate::refresh::ours;
use crate::report::{Spread, table};

const SCALE: f64 = 0.1;
/// Never slower than computing everything, but for this.
const TARGET: f64 = 1.2;
/// The first refreshes after all rows were computed are compared with the query by the product, and not measured.
const TRUST: usize = 4;
/// A thousandth of the orders come, and as many go.
const ORDERS: u32 = 150;

const TABLES: &str = "
CREATE TABLE region (r_regionkey int PRIMARY KEY, r_name text, r_comment text);
CREATE TABLE nation (n_nationkey int PRIMARY KEY, n_name text, n_regionkey int, n_comment text);
CREATE TABLE part (p_partkey int PRIMARY KEY, p_name text, p_mfgr text, p_brand text, p_type text, p_size int, p_container text, p_retailprice numeric, p_comment text);
CREATE TABLE supplier (s_suppkey int PRIMARY KEY, s_name text, s_address text, s_nationkey int, s_phone text, s_acctbal numeric, s_comment text);
CREATE TABLE partsupp (ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost numeric, ps_comment text, PRIMARY KEY (ps_partkey, ps_suppkey));
CREATE TABLE customer (c_custkey int PRIMARY KEY, c_name text, c_address text, c_nationkey int, c_phone text, c_acctbal numeric, c_mktsegment text, c_comment text);
CREATE TABLE orders (o_orderkey int PRIMARY KEY, o_custkey int, o_orderstatus text, o_totalprice numeric, o_orderdate date, o_orderpriority text, o_clerk text,
    o_shippriority int, o_comment text);
CREATE TABLE lineitem (l_orderkey int, l_partkey int, l_suppkey int, l_linenumber int, l_quantity numeric, l_extendedprice numeric, l_discount numeric, l_tax numeric,
    l_returnflag text, l_linestatus text, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text,
    PRIMARY KEY (l_orderkey, l_linenumber));";
const INDEXES: &str = "
CREATE INDEX ON lineitem (l_partkey, l_suppkey); CREATE INDEX ON lineitem (l_suppkey); CREATE INDEX ON lineitem (l_shipdate);
CREATE INDEX ON orders (o_custkey); CREATE INDEX ON orders (o_orderdate); CREATE INDEX ON partsupp (ps_suppkey); CREATE INDEX ON customer (c_nationkey);
CREATE INDEX ON supplier (s_nationkey);";

/// What stands for `:1`, `:2`, … of each query: those by which TPC-H validates.
const PARAMETERS: [&[&str]; 22] = [
    &["90"],
    &["15", "BRASS", "EUROPE"],
    &["BUILDING", "1995-03-15"],
    &["1993-07-01"],
    &["ASIA", "1994-01-01"],
    &["1994-01-01", "0.06", "24"],
    &["FRANCE", "GERMANY"],
    &["BRAZIL", "AMERICA", "ECONOMY ANODIZED STEEL"],
    &["green"],
    &["1993-10-01"],
    &["GERMANY", "0.001"],
    &["MAIL", "SHIP", "1994-01-01"],
    &["special", "requests"],
    &["1995-09-01"],
    &["1996-01-01"],
    &["Brand#45", "MEDIUM POLISHED", "49", "14", "23", "45", "19", "3", "36", "9"],
    &["Brand#23", "MED BOX"],
    &["300"],
    &["Brand#12", "Brand#23", "Brand#34", "1", "10", "20"],
    &["forest", "1994-01-01", "CANADA"],
    &["SAUDI ARABIA"],
    &["13", "31", "23", "29", "30", "18", "17"],
];

/// Takes and prints the figures.
pub async fn measure(program: &Program, cycles: usize) -> Result<()> {
    let mut server = Server::start(Durability::Fast).await?;
    let scene = Scene::of(program, &mut server).await?;
    fill(&scene.database).await?;
    let mut marts: Vec<Mart> = (1..=22).map(Mart::of).collect::<Result<_>>()?;
    for mart in &mut marts {
        mart.declare(program, &scene)?;
    }
    scene.apply()?;
    for cycle in 0..cycles + TRUST {
        execute(&scene.database, &cycle_of(cycle)).await?;
        for mart in &mut marts {
            let taken = scene.refresh(&mart.name, &[]).await?;
            mart.wrong += mart.differences(&mut scene.session().await?).await?;
            if cycle >= TRUST {
                mart.taken.push(taken.ms);
                mart.methods.push(taken.method);
                mart.reason = taken.reason;
            }
        }
    }
    for _ in 0..cycles {
        for mart in &mut marts {
            mart.whole.push(scene.refresh(&mart.name, &["--full"]).await?.ms);
        }
    }
    server.stop().await?;
    report(&marts);
    Ok(())
}

/// A query that is a mart.
struct Mart {
    name: String,
    query: String,
    /// Why it does not follow changes.
    obstacle: Option<String>,
    wrong: i64,
    taken: Vec<f64>,
    whole: Vec<f64>,
    methods: Vec<String>,
    /// Why the last refresh did what it did.
    reason: String,
}

impl Mart {
    fn of(number: i32) -> Result<Self> {
        let text = queries::query(number).ok_or("a query of TPC-H is missing")?;
        let parameters = PARAMETERS.get(usize::try_from(number)? - 1).copied().unwrap_or_default();
        let mut query = text.replace(" day (3)", " day");
        // `:10` stands before `:1`.
        for (at, value) in parameters.iter().enumerate().rev() {
            query = query.replace(&format!(":{}", at + 1), value);
        }
        if let Some((view, rest)) = query.split_once(';').filter(|(view, _)| view.contains("create view")) {
            let view = view.replace("create view", "with").replace(":s", "").replace(" as\n", " as (\n");
            query = format!("{view})\n{}", rest.replace(":s", ""));
        }
        let end = query.rfind("order by").or_else(|| query.rfind(';')).unwrap_or(query.len());
        query.truncate(end);
        let name = format!("q{number:02}");
        let (taken, whole, methods, reason) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        Ok(Self { name, query, obstacle: None, wrong: 0, taken, whole, methods, reason })
    }

    /// Follows changes where the query allows it.
    fn declare(&mut self, program: &Program, scene: &Scene<'_>) -> Result<()> {
        let alone: TempDir = tempfile::tempdir()?;
        let following = "[refresh.incremental]\nmethod = \"changes\"";
        let text = format!("type = \"table\"\nquery = \"\"\"{}\"\"\"\n{following}\n", self.query);
        std::fs::write(alone.path().join(format!("{}.toml", self.name)), text)?;
        match ours(program, &alone, &scene.database, &["plan", "--quiet"]) {
            Ok(_) => scene.mart(&self.name, &self.query, following),
            Err(error) => {
                let said = error.to_string();
                self.obstacle = said.lines().find(|line| line.contains("error")).map(str::to_owned).or(Some(said));
                scene.mart(&self.name, &self.query, "")
            }
        }
    }

    /// How many rows are not those of the query.
    async fn differences(&self, conn: &mut PgConnection) -> Result<i64> {
        let (query, name) = (&self.query, &self.name);
        let sql = format!(
            "WITH query AS MATERIALIZED ({query}), mart AS MATERIALIZED (SELECT * FROM public.{name})
             SELECT count(*) FROM ((TABLE query EXCEPT ALL TABLE mart) UNION ALL (TABLE mart EXCEPT ALL TABLE query)) AS d"
        );
        sqlx::raw_sql("SET search_path = public; SET TimeZone = 'UTC'").execute(&mut *conn).await?;
        Ok(sqlx::query(AssertSqlSafe(sql)).fetch_one(conn).await?.try_get(0)?)
    }
}

/// Orders that come with their lines, and others that go.
fn cycle_of(cycle: usize) -> String {
    let (first, gone) = (1_000_000 + cycle * 1_000, 1 + cycle * 700);
    format!(
        "SET search_path = public;
         CREATE TEMPORARY TABLE picked AS SELECT o_orderkey AS old, {first} + row_number() OVER (ORDER BY o_orderkey) AS new
         FROM (SELECT o_orderkey FROM orders WHERE o_orderkey % 97 = {cycle} ORDER BY o_orderkey % 1009, o_orderkey LIMIT {ORDERS}) AS o;
         INSERT INTO orders SELECT p.new, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority, o_clerk, o_shippriority, o_comment
         FROM orders JOIN picked AS p ON p.old = o_orderkey;
         INSERT INTO lineitem SELECT p.new, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, l_returnflag, l_linestatus,
             l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode, l_comment FROM lineitem JOIN picked AS p ON p.old = l_orderkey;
         CREATE TEMPORARY TABLE gone AS SELECT o_orderkey FROM orders WHERE o_orderkey BETWEEN {gone} AND {gone} + {ORDERS} * 4;
         DELETE FROM lineitem WHERE l_orderkey IN (SELECT o_orderkey FROM gone);
         DELETE FROM orders WHERE o_orderkey IN (SELECT o_orderkey FROM gone);"
    )
}

async fn fill(database: &Endpoint) -> Result<()> {
    let mut conn = database.session("benchmark").await?;
    sqlx::raw_sql("SET search_path = public").execute(&mut conn).await?;
    sqlx::raw_sql(TABLES).execute(&mut conn).await?;
    copy(&mut conn, "region", RegionGenerator::new(SCALE, 1, 1).iter()).await?;
    copy(&mut conn, "nation", NationGenerator::new(SCALE, 1, 1).iter()).await?;
    copy(&mut conn, "part", PartGenerator::new(SCALE, 1, 1).iter()).await?;
    copy(&mut conn, "supplier", SupplierGenerator::new(SCALE, 1, 1).iter()).await?;
    copy(&mut conn, "partsupp", PartSuppGenerator::new(SCALE, 1, 1).iter()).await?;
    copy(&mut conn, "customer", CustomerGenerator::new(SCALE, 1, 1).iter()).await?;
    copy(&mut conn, "orders", OrderGenerator::new(SCALE, 1, 1).iter()).await?;
    copy(&mut conn, "lineitem", LineItemGenerator::new(SCALE, 1, 1).iter()).await?;
    sqlx::raw_sql(INDEXES).execute(&mut conn).await?;
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut conn).await?;
    Ok(conn.close().await?)
}

/// Rows as TPC-H's own files have them: a bar behind each value.
async fn copy(conn: &mut PgConnection, name: &str, rows: impl Iterator<Item = impl Display>) -> Result<()> {
    let mut copy = conn.copy_in_raw(&format!("COPY {name} FROM STDIN (DELIMITER '|')")).await?;
    let mut text = String::new();
    for row in rows {
        write!(text, "{row}")?;
        text.pop();
        text.push('\n');
        if text.len() > 1 << 20 {
            copy.send(std::mem::take(&mut text).into_bytes()).await?;
        }
    }
    copy.send(text.into_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

fn report(marts: &[Mart]) {
    let row = |mart: &Mart| {
        let (whole, ms) = (Spread::of(mart.whole.iter().copied()), Spread::of(mart.taken.iter().copied()));
        // The least of each: what else the machine does only adds to it.
        let ratio = ms.min / whole.min;
        let mut methods = mart.methods.clone();
        methods.dedup();
        let wrong = if mart.wrong == 0 { "exact".to_owned() } else { format!("{} WRONG", mart.wrong) };
        let verdict = if ratio <= TARGET { "met" } else { "MISSED" };
        let cells = [
            format!("{:.1}", ms.min),
            format!("{:.1}", whole.min),
            format!("{ratio:.2}"),
            verdict.to_owned(),
            wrong,
            methods.join(", "),
        ];
        [vec![mart.name.clone()], cells.to_vec(), vec![mart.obstacle.clone().unwrap_or_else(|| mart.reason.clone())]]
            .concat()
    };
    let rows: Vec<Vec<String>> = marts.iter().map(row).collect();
    let head = ["", "ms", "full, ms", "beside full", "≤ 1.2", "rows", "by", "why"];
    table(&format!("derived from TPC-H, scale {SCALE}, {ORDERS} orders in and out a time"), &head, &rows);
    let following = marts.iter().filter(|mart| mart.methods.iter().any(|method| method == "changes")).count();
    let wrong = marts.iter().filter(|mart| mart.wrong > 0).count();
    println!("{following} of {} followed changes, {wrong} were wrong", marts.len());
}
