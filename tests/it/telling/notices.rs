//! Notifications: who asked for them is told once, whatever happens on the way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datamart::manifest::Desired;
use datamart::observe::Event;
use datamart::plan::Drift;
use datamart::reconcile::Teller;
use datamart::refresh::{Run, RunStatus};
use datamart::state::Kind;
use serde_json::json;

use crate::cli::rig::Rig;
use crate::support::database::run;
use crate::support::project::{self, load, refresh_options};
use crate::support::receiver::Receiver;
use crate::support::wait::{PATIENCE, until};

const ALL: &str = "\"refresh_failed\", \"check_failed\", \"drift\", \"stale\", \"slow\", \"refreshed\", \"recovered\"";
const PART: &str = "type = \"materialized_view\"\nquery = \"SELECT 1 / amount AS part FROM source\"\n";

/// A project with one mart, and somebody who wants to hear of it.
struct Told {
    rig: Rig,
    receiver: Receiver,
}

impl Told {
    fn new(on: &str, mart: &str) -> Self {
        let receiver = Receiver::new();
        let project = format!("[[notifications]]\nurl = \"{}\"\non = [{on}]\n", receiver.url);
        let rig = Rig::of(&[("project.toml", &project), ("part.toml", mart)]);
        rig.sql("CREATE TABLE source (amount int); INSERT INTO source VALUES (1)");
        rig.run(&["apply", "--auto-approve", "-q"]).done();
        Self { rig, receiver }
    }

    fn desired(&self) -> Arc<Desired> {
        Arc::new(load(&self.rig.folder.path().join("datamarts")))
    }

    /// As a daemon that takes over.
    fn teller(&self) -> Teller {
        let teller = Teller::new(&self.rig.database.endpoint, "datamart", "default");
        teller.tell(Event::Settled(self.desired(), Arc::default()));
        teller
    }

    async fn refresh(&self) -> Event {
        let dir = self.rig.folder.path().join("datamarts");
        let mut runs: Vec<Run> = project::refresh(&self.rig.database, &dir, &refresh_options()).await;
        Event::Ended(Box::new(runs.pop().expect("a run")))
    }

    async fn sql(&self, sql: &str) {
        self.rig.database.script(sql).await;
    }
}

async fn finish(mut teller: Teller) {
    teller.finish(PATIENCE).await;
}

#[test]
fn each_change_of_state_is_told_once_even_by_the_next_leader() {
    let told = Told::new(ALL, PART);
    run(async {
        let teller = told.teller();
        told.sql("INSERT INTO source VALUES (0)").await;
        teller.tell(told.refresh().await);
        teller.tell(told.refresh().await);
        finish(teller).await;
        assert_eq!(told.receiver.events(), ["refresh_failed public.part"]);
        let teller = told.teller();
        teller.tell(told.refresh().await);
        told.sql("DELETE FROM source WHERE amount = 0").await;
        teller.tell(told.refresh().await);
        teller.tell(told.refresh().await);
        finish(teller).await;
        let events =
            ["refresh_failed public.part", "refreshed public.part", "recovered public.part", "refreshed public.part"];
        assert_eq!(told.receiver.events(), events);
        let failure = &told.receiver.bodies()[0];
        assert_eq!(failure["text"], json!("[default] public.part was not refreshed: division by zero"));
        assert_eq!(
            (&failure["run"]["status"], &failure["run"]["error"]["sqlstate"]),
            (&json!("failed"), &json!("22012"))
        );
        assert_eq!(told.rig.database.value("SELECT count(*) FROM datamart.told").await, "0");
        // Somebody else may mend it, too.
        told.sql("INSERT INTO source VALUES (0)").await;
        let teller = told.teller();
        teller.tell(told.refresh().await);
        teller.tell(Event::Elsewhere("public.part".to_owned()));
        finish(teller).await;
        assert_eq!(told.receiver.events()[4..], ["refresh_failed public.part", "recovered public.part"]);
    });
}

/// A daemon that begins where a manifest does not parse knows of no mart but those that were applied.
#[test]
fn what_was_told_holds_though_the_manifests_cannot_be_read() {
    let told = Told::new(ALL, PART);
    run(async {
        let teller = told.teller();
        told.sql("INSERT INTO source VALUES (0)").await;
        teller.tell(told.refresh().await);
        finish(teller).await;
        let desired = told.desired();
        let applied = Arc::new(desired.marts.iter().map(|mart| mart.mart.clone()).collect());
        let mut alone = (*desired).clone();
        alone.marts.clear();
        let alone = Arc::new(alone);
        let teller = Teller::new(&told.rig.database.endpoint, "datamart", "default");
        teller.tell(Event::Settled(alone, applied));
        told.sql("DELETE FROM source WHERE amount = 0").await;
        teller.tell(told.refresh().await);
        finish(teller).await;
        let events = ["refresh_failed public.part", "refreshed public.part", "recovered public.part"];
        assert_eq!(told.receiver.events(), events);
    });
}

#[test]
fn only_what_was_asked_for_is_sent() {
    let told = Told::new("\"recovered\"", PART);
    run(async {
        let teller = told.teller();
        told.sql("INSERT INTO source VALUES (0)").await;
        teller.tell(told.refresh().await);
        told.sql("DELETE FROM source WHERE amount = 0").await;
        teller.tell(told.refresh().await);
        finish(teller).await;
        assert_eq!(told.receiver.events(), ["recovered public.part"]);
    });
}

#[test]
fn a_mart_is_told_to_be_stale_when_it_becomes_it() {
    let told = Told::new(
        "\"stale\", \"recovered\"",
        &format!("{PART}[freshness]\nwarn_after = \"1s\"\nerror_after = \"2s\"\n"),
    );
    run(async {
        let teller = told.teller();
        // Nothing more happens.
        until("it is told", async || !told.receiver.events().is_empty()).await;
        assert_eq!(told.receiver.events(), ["stale public.part"]);
        teller.tell(told.refresh().await);
        finish(teller).await;
        let events = told.receiver.events();
        assert_eq!(events[..2], ["stale public.part", "recovered public.part"]);
        // On a machine that stood still it may have become stale again.
        assert!(events[2..].iter().all(|event| event == "stale public.part"), "{events:?}");
        told.sql("INSERT INTO datamart.overrides (project, schema, name, what, who) VALUES ('default', '', '', 'suspend', 'ana')").await;
        told.sql("UPDATE datamart.totals SET started_at = now() - interval '1 h'").await;
        finish(told.teller()).await;
        assert_eq!(told.receiver.events(), events, "who suspends it knows");
    });
}

#[test]
fn drift_and_its_end_are_told() {
    let told = Told::new(ALL, PART);
    let drift = |aspect: &str| Drift {
        address: "public.part".into(),
        kind: Kind::MaterializedView,
        aspect: aspect.into(),
        message: format!("{aspect} was changed"),
        expected: None,
        actual: None,
        diff: String::new(),
    };
    run(async {
        let teller = told.teller();
        teller.tell(Event::Drifted(vec![drift("owner")], vec![]));
        finish(teller).await;
        let teller = told.teller();
        teller.tell(Event::Drifted(vec![drift("owner")], vec![]));
        teller.tell(Event::Drifted(Vec::new(), vec![]));
        finish(teller).await;
        assert_eq!(told.receiver.events(), ["drift public.part", "recovered public.part"]);
        assert_eq!(told.receiver.bodies()[0]["drift"], json!([{ "aspect": "owner", "message": "owner was changed" }]));
    });
}

#[test]
fn what_can_pass_is_sent_again_and_what_cannot_is_not() {
    let told = Told::new("\"refreshed\"", PART);
    run(async {
        let teller = told.teller();
        let event = told.refresh().await;
        told.receiver.answer_with(&["503 Service Unavailable", "429 Too Many Requests\r\nRetry-After: 0", "200 OK"]);
        teller.tell(event.clone());
        finish(teller).await;
        let bodies = told.receiver.bodies();
        assert_eq!((bodies.len(), &bodies[0], &bodies[1]), (3, &bodies[1], &bodies[2]));
        let teller = told.teller();
        let elsewhere = Receiver::new();
        told.receiver
            .answer_with(&["404 Not Found", &format!("307 Temporary Redirect\r\nLocation: {}", elsewhere.url)]);
        teller.tell(event.clone());
        teller.tell(event.clone());
        teller.tell(event);
        finish(teller).await;
        assert_eq!((told.receiver.bodies().len(), elsewhere.bodies().len()), (6, 0));
    });
}

#[test]
fn nobody_waits_for_a_receiver_that_does_not_answer() {
    let told = Told::new("\"refreshed\"", PART);
    // The port is open, and nobody accepts.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", deaf.local_addr().expect("an address"));
    told.rig.write("project.toml", &format!("[[notifications]]\nurl = \"{url}\"\non = [\"refreshed\"]\n"));
    run(async {
        let mut teller = told.teller();
        let event = told.refresh().await;
        let began = Instant::now();
        for _ in 0..10_000 {
            teller.tell(event.clone());
        }
        // Ten seconds each, where anybody waited.
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        teller.finish(Duration::from_millis(200)).await;
        assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    });
}

#[test]
fn a_run_that_was_skipped_is_no_news() {
    let told = Told::new(ALL, PART);
    run(async {
        let teller = told.teller();
        let Event::Ended(mut ended) = told.refresh().await else { panic!("no run") };
        for status in [RunStatus::Skipped, RunStatus::Cancelled, RunStatus::Noop] {
            ended.status = status;
            teller.tell(Event::Ended(ended.clone()));
        }
        finish(teller).await;
        assert_eq!(told.receiver.events(), [""; 0]);
    });
}
