//! A run's row, what is counted of it, and who hears of it.

use datamart::refresh::{Asked, Item, Options, RefreshError, Run, RunStatus, refresh};
use sqlx::postgres::PgListener;

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, load, refresh_options};
use crate::support::wait::PATIENCE;

/// Two marts; the second fails once the source has a zero.
const MARTS: &[(&str, &str)] = &[
    ("plain.toml", "type = \"materialized_view\"\nquery = \"SELECT id, amount FROM source\"\n"),
    ("Odd one.toml", "type = \"table\"\nquery = \"SELECT id, 1 / amount AS part FROM source\"\n"),
];

struct Marts {
    database: Database,
    folder: Folder,
}

impl Marts {
    async fn new() -> Self {
        let (database, folder) = (Database::new().await, Folder::of(MARTS));
        database.script("CREATE TABLE source (id int, amount int); INSERT INTO source VALUES (1, 1), (2, 2)").await;
        converge(&database, folder.path(), &datamart::plan::Options::default()).await;
        Self { database, folder }
    }

    async fn items(&self) -> Vec<Item> {
        project::items(&mut self.database.session().await, &load(self.folder.path())).await
    }

    async fn refresh(&self, name: &str, asked: Asked, options: &Options) -> Run {
        let mut items = self.items().await;
        items.retain(|item| item.mart.name == name);
        items.iter_mut().for_each(|item| item.asked = asked.clone());
        let runs = refresh(&self.database.endpoint, &items, options, &|| false, &mut |_| {}).await;
        runs.expect("runs").pop().expect("a run")
    }

    async fn by_hand(&self, name: &str) -> Run {
        self.refresh(name, Asked::default(), &refresh_options()).await
    }

    async fn listen(&self) -> PgListener {
        let mut listener = PgListener::connect(self.database.endpoint.url()).await.expect("a listener");
        listener.listen_all(["datamart_refreshed", "datamart_not_refreshed"]).await.expect("a channel");
        listener
    }
}

async fn heard(listener: &mut PgListener) -> (String, String) {
    let told = tokio::time::timeout(PATIENCE, listener.recv()).await.expect("in time").expect("told");
    (told.channel().to_owned(), told.payload().to_owned())
}

#[test]
fn ends_are_counted_and_told() {
    run(async {
        let marts = Marts::new().await;
        let mut listener = marts.listen().await;
        marts.by_hand("plain").await;
        marts.by_hand("plain").await;
        marts.by_hand("Odd one").await;
        marts.database.script("INSERT INTO source VALUES (3, 0)").await;
        assert_eq!(marts.by_hand("Odd one").await.status, RunStatus::Failed);
        let mut told = Vec::new();
        for _ in 0..4 {
            told.push(heard(&mut listener).await);
        }
        let told: Vec<_> = told.iter().map(|(channel, name)| (channel.as_str(), name.as_str())).collect();
        assert_eq!(
            told,
            [
                ("datamart_refreshed", "public.plain"),
                ("datamart_refreshed", "public.plain"),
                ("datamart_refreshed", "public.\"Odd one\""),
                ("datamart_not_refreshed", "public.\"Odd one\""),
            ]
        );
        let counted =
            "SELECT string_agg(format('%s %s %s %s', mart, status, runs, buckets[16]), ', ' ORDER BY mart, status)
                       FROM datamart.totals";
        let value = marts.database.value(counted).await;
        assert_eq!(value, "Odd one failed 1 1, Odd one success 1 1, plain success 2 2");
        let sums = "SELECT bool_and(abs(t.seconds - r.ms / 1000) < 1e-6) FROM datamart.totals AS t
                    JOIN (SELECT mart, status, sum(duration_ms) AS ms FROM datamart.refreshes GROUP BY 1, 2) AS r USING (mart, status)";
        assert_eq!(marts.database.value(sums).await, "true");
        // Each bucket holds those before it.
        let sorted =
            "SELECT bool_and(buckets = ARRAY(SELECT unnest(buckets) AS b ORDER BY b) AND cardinality(buckets) = 16)
                      FROM datamart.totals";
        assert_eq!(marts.database.value(sorted).await, "true");
    });
}

/// It is told once the rows are there for everybody, and what stands against that takes no rows back.
#[test]
fn a_run_of_which_nobody_can_be_told_went_well() {
    run(async {
        let marts = Marts::new().await;
        marts.database.script("ALTER FUNCTION pg_catalog.pg_notify(text, text) RENAME TO pg_notify_no_more").await;
        marts.database.script("INSERT INTO source VALUES (3, 3)").await;
        for name in ["plain", "Odd one"] {
            let run = marts.by_hand(name).await;
            assert_eq!((run.status, run.row_count), (RunStatus::Success, Some(3)), "{:?}", run.error);
        }
        let rows =
            "SELECT string_agg(concat_ws(' ', mart, status, row_count), ', ' ORDER BY run) FROM datamart.refreshes";
        assert_eq!(marts.database.value(rows).await, "plain success 3, Odd one success 3");
    });
}

#[test]
fn a_row_that_waits_becomes_the_run() {
    run(async {
        let marts = Marts::new().await;
        let waiting = "INSERT INTO datamart.refreshes (project, schema, mart, status, cause, requested_by, options)
                       VALUES ('default', 'public', 'plain', 'queued', 'request', 'ana', '{\"how\": \"full\"}')";
        marts.database.script(waiting).await;
        let number = marts.database.value("SELECT max(run) FROM datamart.refreshes").await.parse().expect("a number");
        let asked = Asked { run: Some(number), cause: Some("schedule"), ..Asked::default() };
        let options = Options { epoch: Some(7), ..refresh_options() };
        assert_eq!(marts.refresh("plain", asked.clone(), &options).await.run, number);
        let row = "SELECT concat_ws(' ', run, status, cause, requested_by, epoch, options) FROM datamart.refreshes ORDER BY run DESC";
        let expected = format!("{number} success request ana 7 {{\"how\": \"full\"}}");
        assert_eq!(marts.database.value(row).await, expected);
        // It waits no longer: nothing is run twice.
        let again = marts.refresh("plain", asked, &options).await;
        assert_eq!((again.status, again.reason.as_str()), (RunStatus::Cancelled, "its request was withdrawn"));
        assert_eq!(marts.database.value(row).await, expected);
    });
}

#[test]
fn an_old_leadership_begins_nothing() {
    run(async {
        let marts = Marts::new().await;
        let leader =
            "INSERT INTO datamart.leaders (project, epoch, host, process, backend) VALUES ('default', 3, 'here', 1, 1)";
        marts.database.script(leader).await;
        let options = |epoch| Options { epoch: Some(epoch), ..refresh_options() };
        let mut items = marts.items().await;
        items.retain(|item| item.mart.name == "plain");
        let refused = refresh(&marts.database.endpoint, &items, &options(2), &|| false, &mut |_| {}).await;
        assert!(matches!(refused, Err(RefreshError::Superseded { epoch: 2 })), "{refused:?}");
        assert_eq!(marts.database.value("SELECT count(*) FROM datamart.refreshes").await, "0");
        let begun = marts.refresh("plain", Asked::default(), &options(3)).await;
        assert_eq!((begun.status, begun.run), (RunStatus::Success, 1));
        // By hand nobody leads.
        assert_eq!(marts.by_hand("plain").await.status, RunStatus::Success);
    });
}

#[test]
fn runs_that_did_not_begin_and_runs_that_never_ended_are_counted_without_a_time() {
    run(async {
        let marts = Marts::new().await;
        let left = "INSERT INTO datamart.refreshes (project, schema, mart, status, pid) VALUES ('default', 'public', 'plain', 'running', 1)";
        marts.database.script(left).await;
        marts.by_hand("plain").await;
        let items = marts.items().await;
        let stopped = refresh(&marts.database.endpoint, &items, &refresh_options(), &|| true, &mut |_| {}).await;
        assert!(stopped.expect("runs").iter().all(|run| run.status == RunStatus::Cancelled));
        let counted = "SELECT string_agg(concat_ws(' ', mart, status, runs, buckets[16]), ', ' ORDER BY mart, status) FROM datamart.totals";
        assert_eq!(
            marts.database.value(counted).await,
            "Odd one cancelled 1 0, plain cancelled 2 0, plain success 1 1"
        );
    });
}

#[test]
fn old_runs_go_and_what_made_the_data_stays() {
    run(async {
        let marts = Marts::new().await;
        let history = "INSERT INTO datamart.refreshes (project, schema, mart, status, method, started_at, finished_at)
            SELECT 'default', 'public', h.mart, h.status, h.method, now() - h.days * interval '1 day', now() - h.days * interval '1 day'
            FROM (VALUES ('plain', 'success', 'plain', 200), ('plain', 'failed', 'plain', 190), ('plain', 'success', 'plain', 180),
                         ('plain', 'failed', 'plain', 170), ('plain', 'skipped', NULL, 165), ('plain', 'failed', 'plain', 160),
                         ('other', 'success', 'plain', 150), ('other', 'success', 'plain', 10), ('lone', 'noop', 'plain', 500),
                         ('busy', 'running', 'plain', 400), ('busy', 'queued', NULL, 390)) AS h(mart, status, method, days)";
        marts.database.script(history).await;
        marts
            .database
            .script(
                "INSERT INTO datamart.refreshes (project, schema, mart, status, started_at)
            SELECT 'theirs', 'public', 'plain', 'success', now() - interval '1 year' FROM generate_series(1, 3)",
            )
            .await;
        let before = chrono::Utc::now() - chrono::TimeDelta::days(90);
        let mut conn = marts.database.session().await;
        let gone = datamart::refresh::prune(&mut conn, "datamart", "default", before).await.expect("pruned");
        assert_eq!(gone, 5);
        let left = "SELECT string_agg(mart || ' ' || status, ', ' ORDER BY run) FROM datamart.refreshes WHERE project = 'default'";
        let expected = "plain success, plain failed, other success, lone noop, busy running, busy queued";
        assert_eq!(marts.database.value(left).await, expected);
        assert_eq!(marts.database.value("SELECT count(*) FROM datamart.refreshes WHERE project = 'theirs'").await, "3");
        let again = datamart::refresh::prune(&mut conn, "datamart", "default", before).await;
        assert_eq!(again.expect("nothing more"), 0);
    });
}
