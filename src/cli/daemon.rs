//! `datamart daemon`: keeps the marts fresh and the database as the manifests say.

use std::cell::RefCell;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use chrono::Utc;
use datamart::apply::By;
use datamart::database::Endpoint;
use datamart::manifest::{Desired, LoadOptions};
use datamart::reconcile::{self, Command, ReconcileError, RevisionOptions, Revisions, Setup, Source, Verdict, Vitals};
use datamart::refresh::{Event, Run};
use datamart::serve::{self, Keys, ServeError, Site};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

use super::Exit;
use super::apply;
use super::args::{DaemonArgs, Globals};
use super::context;
use super::error::{CommandError, Result};
use super::logged;
use super::print::{self, Style};

/// Where work trees of repositories are kept, below the folder that holds the manifests' folder.
const HOME: &str = ".datamart/git";

/// Runs the command: until it is told to stop, or one pass.
///
/// # Errors
/// What keeps it from beginning; in one pass also what keeps it from its work.
pub async fn run(args: &DaemonArgs, globals: &Globals, style: Style) -> Result<Exit> {
    // Before anything takes long: who stops us early is heard, too.
    let mut signals = Signals::new()?;
    let options = options(args, globals);
    let mut revisions = Revisions::new(options.clone()).map_err(ReconcileError::from)?;
    let loaded = tokio::select! {
        loaded = revisions.load() => loaded,
        () = signals.stop() => return Ok(Exit::Done),
    };
    let (desired, refused) = match loaded {
        Ok(desired) => (desired, None),
        Err(error) if args.once => return Err(CommandError::from(error).below(revisions.repository())),
        // What was applied before goes on being refreshed, if it is known whose it is.
        Err(error) => match revisions.project_alone() {
            Ok(desired) => (desired, Some(error)),
            Err(_) => return Err(CommandError::from(error).below(revisions.repository())),
        },
    };
    let repository = revisions.repository().map(Path::to_owned);
    // Its work tree is free for who leads.
    drop(revisions);
    logged::warnings(&desired, repository.as_deref(), args.log, style);
    let keys = Keys::from_environment(&context::environment());
    let listener = match &args.http {
        None => None,
        Some(address) => Some(serve::listen(address, &keys).await?),
    };
    if args.git.is_some() && context::is_embedded(globals, &desired) {
        let message = "[embedded] would keep the database inside a work tree that is fetched again and again";
        return Err(CommandError::input(message)
            .help("with --git, name the database: --database-url, DATABASE_URL, or url under [database]"));
    }
    let reach = context::reach(globals, style, &desired).await?;
    if let Some(error) = refused
        && !is_applied(&reach.endpoint, &desired).await
    {
        reach.close().await?;
        return Err(CommandError::from(error).below(repository.as_deref()));
    }
    let label = reach.endpoint.label();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), project = desired.project.name, database = label, "started");
    let heard = Ended::default();
    let setup = Setup {
        endpoint: reach.endpoint.clone(),
        registry: desired.project.registry_schema.clone(),
        project: desired.project.name.clone(),
        desired,
        revisions: options,
        host: super::host(),
        who: "daemon".to_owned(),
        // Who runs for ever keeps nothing.
        hear: if args.once { heard.hear() } else { Rc::new(|_| {}) },
        vitals: watch::Sender::new(Vitals::default()),
        once: args.once,
        grace: reconcile::GRACE,
    };
    let site = Site { endpoint: setup.endpoint.clone(), vitals: setup.vitals.subscribe(), keys, clock: Utc::now };
    let done = beside(listener, site, until_told(&setup, signals)).await;
    let closed = reach.close().await;
    let verdict = done?;
    closed?;
    if args.once && style.json() {
        let runs = heard.0.take();
        print::json(&json!({ "result": if verdict == Verdict::Good { "success" } else { "failed" }, "runs": runs }));
    }
    Ok(if verdict == Verdict::Good { Exit::Done } else { Exit::Failed })
}

/// The runs that ended.
#[derive(Default)]
struct Ended(Rc<RefCell<Vec<Run>>>);

impl Ended {
    fn hear(&self) -> Rc<dyn Fn(Event)> {
        let runs = Rc::clone(&self.0);
        Rc::new(move |event| {
            if let Event::Ended { run } = event {
                runs.borrow_mut().push(*run);
            }
        })
    }
}

/// Does the daemon's work, and answers over HTTP as long as that lasts.
async fn beside(
    listener: Option<TcpListener>,
    site: Site,
    work: impl Future<Output = Result<Verdict>>,
) -> Result<Verdict> {
    let Some(listener) = listener else { return work.await };
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "answering over HTTP");
    }
    let (end, ended) = oneshot::channel::<()>();
    let mut serving = pin!(serve::serve(listener, site, async { drop(ended.await) }));
    let done = tokio::select! {
        done = work => done,
        served = serving.as_mut() => return Err(served.map_or_else(CommandError::from, |()| CommandError::internal("HTTP ended"))),
    };
    drop(end);
    serving.await?;
    done
}

/// Whether this project was applied before. Where nobody can say, it was not.
async fn is_applied(endpoint: &Endpoint, desired: &Desired) -> bool {
    let Ok(mut conn) = endpoint.session("daemon look").await else { return false };
    reconcile::look(&mut conn, desired).await.is_ok_and(|seen| !seen.actual.recorded.is_empty())
}

async fn until_told(setup: &Setup, signals: Signals) -> Result<Verdict> {
    let (sender, mut commands) = unbounded_channel();
    tokio::select! {
        done = reconcile::run(setup, &mut commands) => Ok(done?),
        () = signals.hand_on(sender) => Ok(Verdict::Good),
    }
}

fn options(args: &DaemonArgs, globals: &Globals) -> RevisionOptions {
    let load = LoadOptions {
        dir: globals.dir.clone(),
        config: globals.config.clone(),
        environment: context::environment(),
        ..LoadOptions::default()
    };
    let source = match &args.git {
        None => Source::Folder,
        Some(url) => Source::Git {
            url: url.clone(),
            branch: args.branch.clone(),
            path: args.path.clone().unwrap_or_else(|| globals.dir.display().to_string()),
            interval: args.interval,
            home: globals.dir.parent().map(|parent| parent.join(HOME)).unwrap_or_else(|| HOME.into()),
        },
    };
    let by = By {
        who: super::who(),
        host: super::host(),
        application: "datamart daemon".to_owned(),
        holder: None,
        sessions: None,
    };
    RevisionOptions { load, source, by, explain: Arc::new(apply::explain) }
}

/// What the daemon is told by signals.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    fn new() -> Result<Self> {
        let listen =
            |kind| signal(kind).map_err(|error| CommandError::internal(format!("cannot listen for signals: {error}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Resolves when it is told to stop.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Hands on what is heard, for ever: SIGTERM and SIGINT stop, SIGHUP reads the manifests again.
    async fn hand_on(mut self, to: UnboundedSender<Command>) {
        loop {
            let command = tokio::select! {
                _ = self.terminate.recv() => Command::Stop,
                _ = self.interrupt.recv() => Command::Stop,
                _ = self.hangup.recv() => Command::Reload,
            };
            if to.send(command).is_err() {
                return std::future::pending().await;
            }
        }
    }
}

impl From<ServeError> for CommandError {
    fn from(error: ServeError) -> Self {
        let causes = std::error::Error::source(&error).map(ToString::to_string);
        Self { causes: causes.into_iter().collect(), ..Self::new(error.kind(), error.to_string()) }
    }
}
