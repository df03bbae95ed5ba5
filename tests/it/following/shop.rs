//! A mart whose rows follow what changes in its sources.

use datamart::plan;
use datamart::refresh::{self, Asked, How, Method, Options, Run, RunStatus};
use datamart::state::{ChangeLog, LoggedColumn, QName};

use crate::support::database::Database;
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh_options};

pub struct Shop {
    pub database: Database,
    pub folder: Folder,
}

/// Four regions, one of them NULL, with two orders each.
pub const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, region text, amount numeric NOT NULL);
    INSERT INTO orders SELECT n, (ARRAY['north', 'south', 'west', NULL])[n % 4 + 1], n FROM generate_series(1, 8) AS n;";

pub const BY_REGION: &str = "SELECT region, count(*) AS n, sum(amount) AS total FROM orders GROUP BY region";

impl Shop {
    /// A mart by region.
    pub async fn new(more: &str) -> Self {
        Self::of(ORDERS, BY_REGION, more).await
    }

    pub async fn of(seed: &str, query: &str, more: &str) -> Self {
        let database = Database::new().await;
        database.script(seed).await;
        let method =
            if more.contains("[refresh.incremental]") { "" } else { "[refresh.incremental]\nmethod = \"changes\"\n" };
        let manifest = format!(
            "type = \"table\"\nquery = \"\"\"{query}\"\"\"\n{more}\n{method}[refresh]\nstrategy = \"incremental\"\n"
        );
        let folder = Folder::of(&[("mart.toml", &manifest)]);
        converge(&database, folder.path(), &plan::Options::default()).await;
        Self { database, folder }
    }

    pub async fn refreshed(&self) -> Run {
        self.asked(Asked::default(), &refresh_options()).await
    }

    pub async fn whole(&self) -> Run {
        self.asked(Asked { how: How::Full, ..Asked::default() }, &refresh_options()).await
    }

    pub async fn refreshed_all(&self) -> Vec<Run> {
        let desired = project::load(self.folder.path());
        let items = project::items(&mut self.database.session().await, &desired).await;
        let runs = refresh::refresh(&self.database.endpoint, &items, &refresh_options(), &|| false, &mut |_| {}).await;
        runs.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn asked(&self, asked: Asked, options: &Options) -> Run {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        let mut items = project::items(&mut conn, &desired).await;
        items.iter_mut().for_each(|item| item.asked = asked.clone());
        let runs = refresh::refresh(&self.database.endpoint, &items, options, &|| false, &mut |_| {}).await;
        runs.unwrap_or_else(|error| panic!("{error}")).remove(0)
    }

    /// Panics unless a refresh went by changes, and the rows are those of the query. How many were inserted, updated and deleted.
    pub async fn follows(&self) -> [i64; 3] {
        let run = self.refreshed().await;
        assert_eq!((run.status, run.method), (RunStatus::Success, Some(Method::Changes)), "{run:#?}");
        self.is_exact().await;
        [run.rows_inserted, run.rows_updated, run.rows_deleted].map(Option::unwrap_or_default)
    }

    /// Panics unless a refresh computed all rows for this reason, and the next one goes by changes again.
    pub async fn forced(&self, reason: &str) {
        let run = self.refreshed().await;
        assert_eq!(run.status, RunStatus::Success, "{run:#?}");
        assert!(run.method.is_some_and(Method::is_whole), "{run:#?}");
        assert!(run.reason.starts_with(reason), "{run:#?}");
        self.is_exact().await;
    }

    pub async fn nothing(&self) -> Run {
        let run = self.refreshed().await;
        assert_eq!((run.status, run.method), (RunStatus::Noop, Some(Method::Changes)), "{run:#?}");
        run
    }

    pub async fn is_exact(&self) {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        for mart in &desired.marts {
            project::is_its_query(&mut conn, &mart.mart).await;
        }
    }

    pub async fn verified(&self, sample: Option<f64>) -> refresh::Verified {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        let items = project::items(&mut conn, &desired).await;
        let compared = refresh::verify(&mut conn, &items[0], &refresh_options(), "postgres", sample).await;
        compared.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn script(&self, sql: &str) {
        self.database.script(sql).await;
    }

    pub async fn value(&self, sql: &str) -> String {
        self.database.value(sql).await
    }
}

/// The log of the orders.
pub fn log() -> ChangeLog {
    ChangeLog {
        registry: "datamart".into(),
        project: "default".into(),
        table: QName::new("public", "orders"),
        columns: vec![LoggedColumn { name: "region".into(), type_name: "text".into() }],
        logged: false,
        commits: false,
    }
}
