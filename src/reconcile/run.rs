//! The daemon: reaches the database for ever, leads or follows, and ends when it is told to.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;

use super::board::Board;
use super::follower::Follower;
use super::lead::Candidate;
use super::log::told;
use super::setup::{Command, Setup, Verdict};
use super::term::{End, Term};
use super::{Leadership, ReconcileError, Revisions};
use crate::database::retry::Backoff;

/// Followers try this often to take over.
const TRY: Duration = Duration::from_secs(1);
const CONNECT: Backoff =
    Backoff { attempts: u32::MAX, first: Duration::from_millis(200), longest: Duration::from_secs(5) };

/// How a try to lead ended.
enum Tried {
    Leads(Box<Candidate>, Box<Revisions>, i64),
    Stopped,
}

/// Runs the daemon until it is told to stop, or until its one pass is over.
///
/// # Errors
/// In one pass, what keeps it from its work. Without that everything that passes is waited for, and told.
pub async fn run(setup: &Setup, commands: &mut UnboundedReceiver<Command>) -> Result<Verdict, ReconcileError> {
    let mut board = Board::new(setup);
    board.in_force(&setup.desired);
    let mut failures: u32 = 0;
    let mut said = None;
    loop {
        let tried = attempt(setup, &board, commands).await;
        let (mut candidate, revisions, epoch) = match tried {
            Ok(Tried::Leads(candidate, revisions, epoch)) => (candidate, *revisions, epoch),
            Ok(Tried::Stopped) => return Ok(Verdict::Good),
            Err(error) if setup.once => return Err(error),
            Err(error) => {
                failures = failures.saturating_add(1);
                let words = told(&error);
                board.lost(&words);
                // For ever, but not said for ever.
                match said.as_ref() == Some(&words) {
                    true => tracing::debug!(failures, "out of reach still"),
                    false => tracing::warn!(kind = error.kind(), "out of reach, trying for ever: {words}"),
                }
                said = Some(words);
                if stopped_within(CONNECT.pause(failures), commands).await {
                    return Ok(Verdict::Good);
                }
                continue;
            }
        };
        (failures, said) = (0, None);
        tracing::info!(epoch, "leading");
        board.reached(Leadership::Leading(epoch), true);
        // Its runs go with it.
        let runs = LocalSet::new();
        let ended = runs.run_until(Term::new(setup, &mut board, revisions, epoch).run(&mut candidate, commands)).await;
        drop(runs);
        match ended {
            End::Stopped(verdict) => {
                candidate.resign().await;
                tracing::info!("stopped");
                return Ok(verdict);
            }
            End::Lost(why) => {
                drop(candidate);
                board.lost(&why);
                tracing::warn!(epoch, "leadership lost: {why}");
            }
        }
    }
}

/// Opens the session that leads and tries until it does. Meanwhile the manifests are followed, so that whoever asks is answered.
async fn attempt(
    setup: &Setup,
    board: &Board,
    commands: &mut UnboundedReceiver<Command>,
) -> Result<Tried, ReconcileError> {
    let mut follower = Follower::new(setup)?;
    let opened = Candidate::open(&setup.endpoint, &setup.registry, &setup.project, &setup.host);
    let Some(opened) = follower.unless_stopped(opened, commands).await else { return Ok(Tried::Stopped) };
    let mut candidate = Box::new(opened?);
    let mut followed = false;
    loop {
        let Some(stood) = follower.unless_stopped(candidate.stand(), commands).await else {
            return Ok(Tried::Stopped);
        };
        if let Some(epoch) = stood? {
            return Ok(Tried::Leads(candidate, follower.lead(followed)?, epoch));
        }
        if setup.once {
            return Err(candidate.held().await.into());
        }
        if !followed {
            followed = true;
            let asked = async { (candidate.has_registry().await, candidate.held().await) };
            let Some((registry, held)) = follower.unless_stopped(asked, commands).await else {
                return Ok(Tried::Stopped);
            };
            tracing::info!("following: {held}");
            board.reached(Leadership::Following, registry?);
        }
        tokio::select! {
            () = tokio::time::sleep(TRY) => {}
            // What takes long goes on while the leader's place is tried for.
            () = follower.follow(board) => {}
            Some(command) = commands.recv() => match command {
                Command::Stop => {
                    candidate.resign().await;
                    return Ok(Tried::Stopped);
                }
                Command::Reload => follower.reload(),
            },
        }
    }
}

async fn stopped_within(time: Duration, commands: &mut UnboundedReceiver<Command>) -> bool {
    tokio::time::timeout(time, stop(commands)).await.is_ok()
}

/// Resolves when the daemon is told to stop.
async fn stop(commands: &mut UnboundedReceiver<Command>) {
    while let Some(command) = commands.recv().await {
        if command == Command::Stop {
            return;
        }
    }
    std::future::pending().await
}
