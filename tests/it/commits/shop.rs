//! Marts of a shop that writers keep.

use datamart::plan::{self, Plan};
use datamart::refresh::{self, Asked, How, Run};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::database::Database;
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh_options};

/// Customers in regions, and their orders.
const SEED: &str = "CREATE TABLE customers (id int PRIMARY KEY, region text, name text);
    CREATE TABLE orders (id int PRIMARY KEY, customer int, kind text, amount numeric NOT NULL, placed timestamp NOT NULL DEFAULT '2026-01-01');
    CREATE INDEX ON orders (customer); CREATE INDEX ON orders (kind); CREATE INDEX ON orders (placed);
    INSERT INTO customers SELECT n, (ARRAY['north', 'south', NULL])[n % 3 + 1], 'c' || n FROM generate_series(1, 9) AS n;
    INSERT INTO orders SELECT n, n % 10, 'k' || n % 5, n, timestamp '2026-01-01' + n * interval '7 hours' FROM generate_series(1, 40) AS n;";

/// One table: each group has its lock.
pub const BY_KIND: (&str, &str) = (
    "by_kind",
    "query = \"SELECT kind, count(*) AS n, sum(amount) AS total FROM orders GROUP BY kind\"\nprimary_key = [\"kind\"]",
);
/// A join through which the groups are found: one lock.
pub const BY_REGION: (&str, &str) = (
    "by_region",
    "query = \"SELECT c.region, count(*) AS n, sum(o.amount) AS total FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.region\"",
);
/// A range of a column, and a group that may be NULL; no key of its own.
pub const BY_DAY: (&str, &str) = (
    "by_day",
    "query = \"SELECT date_trunc('day', placed) AS day, count(DISTINCT customer) AS customers FROM orders GROUP BY 1\"",
);
/// A mart on a mart.
pub const TOTALS: (&str, &str) = (
    "totals",
    "query = \"SELECT n, count(*) AS kinds, sum(total) AS total FROM by_kind GROUP BY n\"\nprimary_key = [\"n\"]",
);

pub struct Shop {
    pub database: Database,
    pub folder: Folder,
}

impl Shop {
    pub async fn new(marts: &[(&str, &str)]) -> Self {
        Self::within(Database::new().await, marts).await
    }

    /// In this database.
    pub async fn within(database: Database, marts: &[(&str, &str)]) -> Self {
        database.script(SEED).await;
        let shop = Self { database, folder: Folder::of(&[]) };
        for (name, manifest) in marts {
            shop.declare(name, manifest);
        }
        shop.apply().await;
        shop
    }

    /// A mart that writers keep.
    pub fn declare(&self, name: &str, manifest: &str) {
        self.folder.write(
            &format!("{name}.toml"),
            &format!("type = \"table\"\n{manifest}\n[refresh]\nstrategy = \"on_commit\"\n"),
        );
    }

    pub async fn apply(&self) -> Plan {
        converge(&self.database, self.folder.path(), &plan::Options::default()).await
    }

    pub async fn apply_with(&self, options: &plan::Options) -> Plan {
        converge(&self.database, self.folder.path(), options).await
    }

    /// What a plan would do now.
    pub async fn plan(&self) -> Plan {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        let plan = project::plan(&mut conn, &desired, &plan::Options::default()).await;
        plan.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn refreshed(&self, how: How) -> Vec<Run> {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        let mut items = project::items(&mut conn, &desired).await;
        items.iter_mut().for_each(|item| item.asked = Asked { how, ..Asked::default() });
        let runs = refresh::refresh(&self.database.endpoint, &items, &refresh_options(), &|| false, &mut |_| {}).await;
        runs.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn script(&self, sql: &str) {
        self.database.script(sql).await;
    }

    pub async fn value(&self, sql: &str) -> String {
        self.database.value(sql).await
    }

    pub async fn session(&self) -> PgConnection {
        let mut conn = self.database.session().await;
        done(&mut conn, "SET search_path = public").await;
        conn
    }

    /// Panics unless every mart is its query.
    pub async fn is_exact(&self, what: &str) {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        for mart in &desired.marts {
            eprintln!("{what}: {}", mart.mart.name);
            project::is_its_query(&mut conn, &mart.mart).await;
        }
    }

    /// Of a mart, everything that a read shows.
    pub async fn rows(&self, mart: &str) -> String {
        self.value(&format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM {mart} AS t")).await
    }
}

/// Runs statements, which have to do.
pub async fn done(conn: &mut PgConnection, sql: &str) {
    tried(conn, sql).await.unwrap_or_else(|error| panic!("{error}\nin {sql}"));
}

/// Runs statements; the code of the error, where there is one.
pub async fn tried(conn: &mut PgConnection, sql: &str) -> Result<(), String> {
    match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
            Err(code.unwrap_or_else(|| error.to_string()))
        }
    }
}
