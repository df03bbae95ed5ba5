//! A fresh mart made by hand, statement by statement.

use datamart::plan::{attach_log, create_log};
use datamart::sql::{FreshView, fresh_view};
use datamart::state::{
    ChangeLog, ChangeSource, Changes, KeyColumn, KeyRange, LoggedColumn, QName, log_name, log_segments,
};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::support::database::Database;

const SEED: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, region text, placed timestamp NOT NULL);
    CREATE TABLE lines (id int PRIMARY KEY, id_order int, amount numeric);
    CREATE INDEX ON lines (id_order); CREATE INDEX ON orders (region); CREATE INDEX ON orders (placed);
    INSERT INTO orders SELECT n, (ARRAY['north', 'south', 'west', NULL])[n % 4 + 1], timestamp '2026-01-01' + n * interval '7 hours'
      FROM generate_series(1, 40) AS n;
    INSERT INTO lines SELECT n, 1 + n % 40, n FROM generate_series(1, 100) AS n;";

pub struct Shop {
    pub database: Database,
    changes: Changes,
    query: String,
}

pub fn key(name: &str, type_name: &str) -> KeyColumn {
    KeyColumn { name: name.into(), type_name: type_name.into(), range: None }
}

fn source(table: &str, columns: &[(&str, &str)], affected: &str) -> ChangeSource {
    let logged = |(name, of): &(&str, &str)| LoggedColumn { name: (*name).into(), type_name: (*of).into() };
    ChangeSource {
        columns: columns.iter().map(logged).collect(),
        affected: Some(affected.to_owned()),
        ..ChangeSource::of(QName::new("public", table))
    }
}

/// By region and day: a join, two keys of which one may be NULL and one stands for a range.
fn by_region_and_day() -> (Changes, String) {
    let query = |within: &str| {
        format!(
            "SELECT o.region, date_trunc('day', o.placed) AS day, count(*) AS n, sum(l.amount) AS total, count(DISTINCT l.amount) AS kinds \
             FROM public.orders AS o JOIN public.lines AS l ON l.id_order = o.id WHERE {within} \
             GROUP BY o.region, date_trunc('day', o.placed)"
        )
    };
    let keys = "SELECT DISTINCT o.region, date_trunc('day', o.placed) AS day FROM";
    let range =
        KeyRange { column: "o.placed".into(), type_name: "timestamp without time zone".into(), step: "1 day".into() };
    let day = KeyColumn { range: Some(range), ..key("day", "timestamp without time zone") };
    let changes = Changes {
        key: vec![key("region", "text"), day],
        sources: vec![
            source(
                "orders",
                &[("id", "integer"), ("region", "text"), ("placed", "timestamp without time zone")],
                &format!("{keys} {{delta:0}} AS o"),
            ),
            source(
                "lines",
                &[("id_order", "integer")],
                &format!("{keys} {{delta:1}} AS l JOIN {{all:0}} AS o ON o.id = l.id_order"),
            ),
        ],
        query: query("{within:1}"),
        ..Changes::default()
    };
    (changes, query("true"))
}

impl Shop {
    pub async fn new() -> Self {
        let (changes, query) = by_region_and_day();
        Self::of(SEED, changes, query).await
    }

    pub async fn of(seed: &str, changes: Changes, query: String) -> Self {
        let database = Database::new().await;
        let mut conn = database.session().await;
        datamart::database::registry::migrate(&mut conn, "datamart").await.unwrap();
        database.script(seed).await;
        for source in &changes.sources {
            let log = ChangeLog {
                registry: "datamart".into(),
                project: "shop".into(),
                table: source.table.clone(),
                columns: source.columns.clone(),
                logged: false,
                commits: false,
            };
            let statements = create_log(&log).into_iter().chain(attach_log(&log, &log.table));
            database.script(&statements.map(|sql| format!("{sql};\n")).collect::<String>()).await;
        }
        database.script(&format!("CREATE TABLE mart_v1 AS {query} WITH NO DATA; CREATE INDEX ON mart_v1 (region, day); CREATE INDEX ON mart_v1 (day)")).await;
        let shop = Self { database, changes, query };
        shop.refresh().await;
        shop.show().await;
        shop
    }

    /// Makes the view.
    async fn show(&self) {
        let columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'public.mart_v1'::regclass AND attnum > 0 ORDER BY attnum";
        let mut conn = self.database.session().await;
        let columns: Vec<String> = sqlx::query_scalar(columns).fetch_all(&mut conn).await.unwrap();
        let text = fresh_view(&FreshView {
            registry: "datamart",
            project: "shop",
            rows: &QName::new("public", "mart_v1"),
            columns: &columns,
            changes: &self.changes,
            logged: false,
            timezone: "UTC",
        });
        self.script(&format!("CREATE OR REPLACE VIEW mart AS {text}")).await;
    }

    /// Computes the rows again, and notes what they have seen.
    pub async fn refresh(&self) {
        self.script(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ;
             DELETE FROM datamart.positions;
             INSERT INTO datamart.positions (project, schema, name, snapshot, at, fingerprint)
             SELECT 'shop', 'public', 'mart_v1', pg_current_snapshot(), now(), jsonb_build_object(
               'system', (SELECT system_identifier::text FROM pg_control_system()),
               'server', concat_ws(' ', current_setting('DateStyle'), current_setting('IntervalStyle'), current_setting('extra_float_digits'), current_setting('bytea_output')),
               'sources', (SELECT jsonb_agg(jsonb_build_object('table', format('%I.%I', schema, name), 'generation', generation, 'members', relation::oid || ':f',
                             'triggers', (SELECT string_agg(concat_ws(':', t.oid, t.xmin, t.tgenabled), ' ' ORDER BY t.oid)
                                          FROM pg_trigger AS t WHERE t.tgrelid = relation AND NOT t.tgisinternal)))
                           FROM datamart.captures))::text;
             DELETE FROM mart_v1;
             INSERT INTO mart_v1 {};
             COMMIT",
            self.query
        ))
        .await;
    }

    pub async fn script(&self, sql: &str) {
        self.database.script(sql).await;
    }

    pub async fn value(&self, sql: &str) -> String {
        self.database.value(sql).await
    }

    /// How many rows the logs have that the mart's rows have not seen.
    pub async fn pending(&self) -> String {
        let logs =
            self.changes.sources.iter().flat_map(|source| log_segments(&log_name("datamart", "shop", &source.table)));
        let all: Vec<String> = logs.map(|log| format!("SELECT datamart_xid FROM {log}")).collect();
        let sql = format!(
            "SELECT count(*)::text FROM ({}) AS l, datamart.positions AS p WHERE NOT pg_visible_in_snapshot(l.datamart_xid, p.snapshot)",
            all.join(" UNION ALL ")
        );
        self.value(&sql).await
    }

    /// Whether the view shows the rows that are stored: a wrong one, too.
    pub async fn reads_rows(&self) -> bool {
        let mut conn = self.database.session().await;
        let sql = "BEGIN; INSERT INTO public.mart_v1 (region, n) VALUES ('planted', -1)";
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM public.mart WHERE region = 'planted'")
            .fetch_one(&mut conn)
            .await
            .unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut conn).await.unwrap();
        found == 1
    }

    pub async fn is_exact(&self, what: &str) {
        let mut conn = self.database.session().await;
        self.is_exact_for(&mut conn, what).await;
    }

    /// Panics unless the view is the query, in one snapshot.
    pub async fn is_exact_for(&self, conn: &mut PgConnection, what: &str) {
        let (is, should) =
            ("SELECT t::text FROM public.mart AS t", format!("SELECT t::text FROM ({}) AS t", self.query));
        let sql = format!(
            "SELECT count(*), (SELECT count(*) FROM public.mart) FROM (({is} EXCEPT ALL {should}) UNION ALL ({should} EXCEPT ALL {is})) AS d"
        );
        let row =
            sqlx::query(AssertSqlSafe(sql)).fetch_one(conn).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(row.get::<i64, _>(0), 0, "{what}: the view is not its query");
        assert_ne!(row.get::<i64, _>(1), 0, "{what}: nothing is compared");
    }
}
