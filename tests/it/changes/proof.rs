//! Bursts of writes and events; after each, what was refreshed is compared with its query.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use datamart::refresh::{Run, RunStatus};
use futures_util::future::join_all;

use super::compare::difference;
use super::dice::Dice;
use super::divided_shapes::DIVIDED_SHAPES;
use super::events::Event;
use super::more_shapes::MORE_SHAPES;
use super::shapes::{SHAPES, Shape};
use super::world::World;
use super::writer::{Told, Writer};
use crate::support::database::run;

const WRITERS: usize = 5;
/// How many of the last statements a failure shows.
const SHOWN: usize = 150;
/// A refresh beside writers may fail for these, and goes well the next time.
const PASSING: &[&str] = &["55P03", "40P01", "40001"];

/// What came of it.
#[derive(Debug, Default)]
struct Report {
    bursts: usize,
    events: usize,
    changes: u64,
    comparisons: usize,
    /// Runs by their method, `noop` and `failed` among them.
    runs: BTreeMap<String, usize>,
    /// … of those after a burst without an event.
    quiet: BTreeMap<String, usize>,
    /// How often each mart was computed whole after a burst without an event, and the last reason.
    whole: BTreeMap<String, (usize, String)>,
    mismatches: Vec<String>,
}

/// Why a refresh is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Beside,
    AfterBurst,
    AfterEvent,
}

struct Proof {
    world: World,
    dice: Dice,
    told: Told,
    writers: Vec<Writer>,
    report: Report,
}

impl Proof {
    async fn of(shapes: &[Shape], seed: u64) -> Self {
        let world = World::of(shapes).await;
        let mut proof =
            Self { world, dice: Dice::of(seed), told: Told::default(), writers: Vec::new(), report: Report::default() };
        proof.come().await;
        proof
    }

    /// Writers sit down.
    async fn come(&mut self) {
        for number in 0..WRITERS {
            let (dice, told) = (self.dice.another(), self.told.clone());
            let number = number + WRITERS * (1 + self.report.events);
            self.writers.push(Writer::of(&self.world.endpoint(), number, dice, told, self.world.major).await);
        }
    }

    /// They end what they have open, and leave.
    async fn leave(&mut self) {
        for writer in std::mem::take(&mut self.writers) {
            self.report.changes += writer.close().await;
        }
    }

    fn tell(&self, what: &str) {
        self.told.lock().expect("what was told").push(format!("--- {what}"));
    }

    /// Each mart with a chance of one in so many.
    fn some(&mut self, many: u64) -> BTreeSet<&'static str> {
        let dice = &mut self.dice;
        self.world.shapes.iter().filter(|_| dice.one_in(many)).map(|shape| shape.name).collect()
    }

    async fn burst(&mut self) {
        self.report.bursts += 1;
        self.tell(&format!("burst {}", self.report.bursts));
        let beside = self.some(6);
        let runs = {
            let (world, writers) = (&self.world, &mut self.writers);
            let (runs, _) = tokio::join!(world.refresh(&beside), join_all(writers.iter_mut().map(Writer::burst)));
            runs
        };
        self.note(&runs, When::Beside);
        if self.dice.one_in(4) {
            for writer in &mut self.writers {
                writer.end().await;
            }
        }
        let names = if self.dice.one_in(6) { self.some(1) } else { self.some(2) };
        self.refresh_and_compare(&names, When::AfterBurst).await;
    }

    async fn event(&mut self) {
        self.leave().await;
        let mut apply_first = false;
        for _ in 0..self.dice.between(1, 2) {
            let event = Event::of(&mut self.dice, self.report.events);
            self.report.events += 1;
            self.tell(event.name);
            event.happen(&mut self.world).await;
            apply_first |= event.apply_first;
        }
        if apply_first {
            self.world.apply();
        }
        let names = self.some(2);
        self.refresh_and_compare(&names, When::AfterEvent).await;
        self.world.apply();
        self.come().await;
        self.tell("applied");
        let names = self.some(2);
        self.refresh_and_compare(&names, When::AfterEvent).await;
    }

    async fn refresh_and_compare(&mut self, names: &BTreeSet<&'static str>, when: When) {
        let runs = self.world.refresh(names).await;
        self.note(&runs, when);
        let mut conn = self.world.session().await;
        let selected = self.world.shapes.iter().filter(|shape| names.contains(shape.name));
        for shape in selected.copied().collect::<Vec<_>>() {
            if shape.moves() && !self.has_time(&shape, &runs).await {
                continue;
            }
            self.report.comparisons += 1;
            if let Some(difference) = difference(&mut conn, &shape).await {
                let run = runs.iter().find(|run| run.mart == format!("public.{}", shape.name));
                let how = run.map(|run| format!("{:?} {:?}: {}", run.status, run.method, run.reason));
                self.report.mismatches.push(format!("{difference}\n  {}", how.unwrap_or_default()));
            }
        }
    }

    /// Whether it is known as of when a mart that moves with the clock is its query. Where all rows were computed, the time that is
    /// noted is an earlier one, which is safe; another refresh tells.
    async fn has_time(&mut self, shape: &Shape, runs: &[Run]) -> bool {
        let followed = |runs: &[Run]| {
            let run = runs.iter().find(|run| run.mart == format!("public.{}", shape.name));
            run.and_then(|run| run.method).is_some_and(|method| method.as_str() == "changes")
        };
        if followed(runs) {
            return true;
        }
        let again = self.world.refresh(&BTreeSet::from([shape.name])).await;
        self.note(&again, When::AfterEvent);
        followed(&again)
    }

    fn note(&mut self, runs: &[Run], when: When) {
        for run in runs {
            let how = match (run.status, run.method) {
                (RunStatus::Noop, _) => "noop",
                (RunStatus::Success, Some(method)) => method.as_str(),
                _ => "failed",
            };
            *self.report.runs.entry(how.to_owned()).or_default() += 1;
            if how == "failed" {
                let code = run.error.as_ref().and_then(|error| error.sqlstate.as_deref()).unwrap_or_default();
                assert!(when == When::Beside && PASSING.contains(&code), "{run:#?}\n{}", self.last());
            }
            if when == When::AfterBurst {
                *self.report.quiet.entry(how.to_owned()).or_default() += 1;
                if !matches!(how, "noop" | "changes" | "partition") {
                    let whole = self.report.whole.entry(run.mart.clone()).or_default();
                    *whole = (whole.0 + 1, run.reason.clone());
                }
            }
        }
    }

    /// The last statements of all.
    fn last(&self) -> String {
        let told = self.told.lock().expect("what was told");
        told.iter().skip(told.len().saturating_sub(SHOWN)).fold(String::new(), |text, line| text + line + "\n")
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!(
            "{} bursts, {} events, {} changes, {} comparisons, {} mismatches\nruns {:?}\nafter bursts {:?}\n",
            self.bursts,
            self.events,
            self.changes,
            self.comparisons,
            self.mismatches.len(),
            self.runs,
            self.quiet
        );
        for (mart, (count, reason)) in &self.whole {
            let _ = writeln!(text, "  {mart} was computed whole {count} times: {reason}");
        }
        text
    }

    /// Of the refreshes with something to do after a burst: how many followed the changes, in hundredths.
    fn share(&self) -> usize {
        let changes: usize = ["changes", "partition"].iter().filter_map(|how| self.quiet.get(*how)).sum();
        let all: usize = self.quiet.iter().filter(|(how, _)| *how != "noop").map(|(_, count)| count).sum();
        changes * 100 / all.max(1)
    }
}

pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The shapes that are asked for.
pub fn shapes() -> Vec<Shape> {
    let asked = std::env::var("DATAMART_PROOF_SHAPES").unwrap_or_default();
    let parts: Vec<&str> = asked.split_terminator(',').collect();
    SHAPES
        .iter()
        .chain(MORE_SHAPES)
        .chain(DIVIDED_SHAPES)
        .filter(|shape| parts.is_empty() || parts.iter().any(|part| shape.name.contains(part)))
        .copied()
        .collect()
}

#[test]
fn whatever_happens_every_mart_is_its_query() {
    let seed = number("DATAMART_PROOF_SEED", 1);
    let seconds = number("DATAMART_PROOF_SECONDS", 120);
    println!("DATAMART_PROOF_SEED={seed} DATAMART_PROOF_SECONDS={seconds}");
    run(async {
        let mut proof = Proof::of(&shapes(), seed).await;
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until && proof.report.mismatches.is_empty() {
            if proof.dice.one_in(4) {
                proof.event().await;
            } else {
                proof.burst().await;
            }
        }
        proof.leave().await;
        if proof.report.mismatches.is_empty() {
            let all = proof.some(1);
            proof.refresh_and_compare(&all, When::AfterBurst).await;
        }
        println!("{}", proof.report.text());
        let mismatches = proof.report.mismatches.join("\n");
        assert!(mismatches.is_empty(), "seed {seed}\n{mismatches}\n{}", proof.last());
        // A proof that computes everything anew proves nothing of changes.
        assert!(proof.report.share() >= 40, "{}% followed the changes", proof.report.share());
        proof.world.stop().await;
    });
}

/// Marts whose keys are looked for where nothing changed.
async fn astray(seed: u64) -> Proof {
    let shapes: Vec<Shape> =
        SHAPES.iter().filter(|shape| matches!(shape.name, "aggregate" | "join_2")).copied().collect();
    let mut proof = Proof::of(&shapes, seed).await;
    let all = proof.some(1);
    proof.refresh_and_compare(&all, When::AfterEvent).await;
    let nowhere = "UPDATE datamart.marts AS m SET applied = jsonb_set(applied, '{changes,sources}', (
             SELECT jsonb_agg(jsonb_set(s, '{affected}', to_jsonb(format('SELECT * FROM (%s) AS q WHERE false', s ->> 'affected'))) ORDER BY n)
             FROM jsonb_array_elements(applied -> 'changes' -> 'sources') WITH ORDINALITY AS a (s, n)))";
    proof.world.script(nowhere).await;
    // Where that is noticed by itself, all rows are computed once.
    proof.refresh_and_compare(&all, When::AfterEvent).await;
    assert_eq!(proof.report.mismatches, Vec::<String>::new());
    proof
}

/// The proof can fail.
#[test]
fn keys_that_are_wrong_are_found() {
    run(async {
        let mut proof = astray(7).await;
        for _ in 0..10 {
            proof.world.script("UPDATE datamart.positions SET verified = 1000, refreshes = 0").await;
            proof.burst().await;
        }
        proof.leave().await;
        assert!(!proof.report.mismatches.is_empty(), "{}", proof.report.text());
        proof.world.stop().await;
    });
}

/// The first refreshes are compared by the product itself: what is wrong is put right before anybody reads it.
#[test]
fn keys_that_are_wrong_are_found_before_they_are_believed() {
    run(async {
        let mut proof = astray(8).await;
        proof.world.script("UPDATE datamart.positions SET verified = 0").await;
        for _ in 0..10 {
            proof.burst().await;
        }
        proof.leave().await;
        assert_eq!(proof.report.mismatches, Vec::<String>::new());
        let demoted = "SELECT count(*) FROM datamart.positions WHERE demoted IS NOT NULL";
        assert_eq!(proof.world.value(demoted).await, "2");
        proof.world.stop().await;
    });
}
