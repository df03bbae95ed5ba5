//! Starting, sharing and stopping the embedded server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use tokio::time::Instant;

use super::binaries::{self, Binaries};
use super::create;
use super::place::{Place, io};
use super::server::{self, LogMark, PidFile};
use super::users::{Starting, Using};
use crate::database::{DatabaseError, Endpoint, ErrorKind, SqlError};

const PAUSE: Duration = Duration::from_millis(3);
/// After a crash the server reads its log first.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// Ends an ephemeral server when the process that started it is gone, however it went: its end of the pipe closes.
const GUARD: &str = "cat >/dev/null; kill -INT \"$1\"; while kill -0 \"$1\" 2>/dev/null; do sleep 0.05; done; rm -rf \"$2\" \"$3\"; rmdir \"$4\"";

/// Which server, and which database in it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The project's folder: the data stands in `.datamart` below it, where the server's user can reach that.
    pub root: PathBuf,
    /// The database; made where it is missing.
    pub database: String,
    /// SQL run once, when the database is made.
    pub seed: Option<PathBuf>,
    /// Settings of PostgreSQL on top of ours, for the start of the server.
    pub settings: Vec<(String, String)>,
    /// The server ends with this process and its data goes: for tests and benchmarks.
    pub ephemeral: bool,
    /// The folder of `initdb` and `postgres`; `None` looks for one on the machine.
    pub binaries: Option<PathBuf>,
}

impl Options {
    /// The server of the project in this folder, with a database `datamart`.
    pub fn beside(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            database: "datamart".to_owned(),
            seed: None,
            settings: Vec::new(),
            ephemeral: false,
            binaries: None,
        }
    }

    /// A server for this process alone, fast rather than durable, in a new folder below this one.
    ///
    /// # Errors
    /// [`DatabaseError::Io`] where the folder cannot be made.
    pub fn ephemeral(parent: &Path) -> Result<Self, DatabaseError> {
        let moment = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
        let root = parent.join(format!("datamart-{}-{moment}", std::process::id()));
        std::fs::create_dir(&root).map_err(|e| io("create", &root, e))?;
        let fast = [("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")];
        Ok(Self {
            settings: fast.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            ephemeral: true,
            ..Self::beside(&root)
        })
    }
}

/// A running embedded server. It is shared with every other command of the project; [`stop`](Self::stop) ends the use of it.
#[derive(Debug)]
pub struct Embedded {
    /// Whether this call started it, rather than found it running.
    pub started: bool,
    /// Whether this call made the database, and ran its seed.
    pub created: bool,
    /// The server's data directory.
    pub data_dir: PathBuf,
    /// The server's version, `15.13`.
    pub version: String,
    endpoint: Endpoint,
    home: PathBuf,
    sockets: PathBuf,
    pid: Pid,
    child: Option<Child>,
    guard: Option<Child>,
    using: Option<Using>,
}

/// Starts the server, or joins the one that runs, and makes the database where it is missing.
///
/// # Errors
/// [`DatabaseError::NoBinaries`], [`DatabaseError::OtherMajor`], [`DatabaseError::Seed`], [`DatabaseError::Io`] and
/// [`DatabaseError::Embedded`] with the last lines of the server's log.
pub async fn start(options: Options) -> Result<Embedded, DatabaseError> {
    let place = Place::prepare(&options.root)?;
    let starting = Starting::wait(&place.home).await?;
    let using = Using::join(&place.home, &starting)?;
    let up = wake(&place, &options).await?;
    let mut embedded = Embedded {
        started: up.child.is_some(),
        created: false,
        data_dir: place.data.clone(),
        version: String::new(),
        endpoint: endpoint(&up.sockets, &options.database)?,
        home: place.home.clone(),
        sockets: up.sockets,
        pid: up.pid,
        child: up.child,
        guard: None,
        using: Some(using),
    };
    match embedded.furnish(up.has_database, &options).await {
        Ok(()) => Ok(embedded),
        Err(error) => {
            // Best effort: the error to tell is the first one.
            let _ = embedded.leave(&starting).await;
            Err(error)
        }
    }
}

impl Embedded {
    /// The database it was started for.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// Another database of the same server.
    ///
    /// # Errors
    /// None but for a name that makes no URL.
    pub fn endpoint_of(&self, database: &str) -> Result<Endpoint, DatabaseError> {
        endpoint(&self.sockets, database)
    }

    /// Ends the use of it: the last user stops it, and waits until all is written.
    ///
    /// # Errors
    /// [`DatabaseError::Embedded`] where it does not stop.
    pub async fn stop(mut self) -> Result<(), DatabaseError> {
        let starting = Starting::wait(&self.home).await?;
        self.leave(&starting).await
    }

    async fn furnish(&mut self, has_database: bool, options: &Options) -> Result<(), DatabaseError> {
        if self.started && options.ephemeral {
            self.guard = Some(guard(self.pid, [&options.root, &self.home, &self.sockets])?);
        }
        if !has_database {
            create::create(|name| self.endpoint_of(name), &options.database, options.seed.as_deref()).await?;
            self.created = true;
        }
        let conn = self.endpoint.session("embedded").await?;
        let number = conn.server_version_num().unwrap_or_default();
        self.version = format!("{}.{}", number / 10_000, number % 10_000);
        Ok(())
    }

    async fn leave(&mut self, starting: &Starting) -> Result<(), DatabaseError> {
        let last = self.using.take().is_some_and(|using| using.leave(starting));
        if !last || !server::ask_to_stop(self.pid) {
            return Ok(());
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.runs() {
            if Instant::now() > deadline {
                return Err(failed("it does not stop; its process is still there"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        // Empty now, and made again by the next start.
        let _ = std::fs::remove_dir(&self.sockets);
        Ok(())
    }

    fn runs(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => server::alive(self.pid),
        }
    }
}

/// For a use that ends early, by an error or Ctrl-C: the last user asks the server to stop, and does not wait.
impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(using) = self.using.take()
            && let Some(starting) = Starting::now(&self.home)
            && using.leave(&starting)
        {
            server::ask_to_stop(self.pid);
        }
    }
}

/// A server that answers.
struct Up {
    pid: Pid,
    sockets: PathBuf,
    /// Where we started it.
    child: Option<Child>,
    has_database: bool,
}

/// Finds the server running, or starts it, and waits until it answers.
async fn wake(place: &Place, options: &Options) -> Result<Up, DatabaseError> {
    let deadline = Instant::now() + START_TIMEOUT;
    let mut child: Option<(Child, LogMark)> = None;
    let mut last = String::new();
    while Instant::now() < deadline {
        if let Some((process, log)) = &mut child
            && !matches!(process.try_wait(), Ok(None))
        {
            last = log.since();
            // The sessions of a killed server end within moments.
            if !last.contains("pre-existing shared memory block") {
                return Err(failed(&format!("it did not start: {last}")));
            }
            child = None;
            tokio::time::sleep(PAUSE * 30).await;
        }
        match PidFile::of_running(&place.data) {
            Some(PidFile { pid, sockets: Some(sockets) }) => match probe(&sockets, &options.database).await {
                Ok(has_database) => {
                    let child = child.map(|(process, _)| process);
                    return Ok(Up { pid, sockets, child, has_database });
                }
                Err(error) if error.kind == ErrorKind::Connection => last = error.message.clone(),
                Err(error) => return Err(error.into()),
            },
            None if child.is_none() => child = Some(launch(place, options)?),
            _ => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(failed(&format!("it does not answer: {last}")))
}

/// Whether the database is there; an error while the server does not answer.
async fn probe(sockets: &Path, database: &str) -> Result<bool, SqlError> {
    let session = match endpoint(sockets, database) {
        Ok(endpoint) => endpoint.session("embedded").await,
        Err(error) => Err(error),
    };
    match session {
        Ok(_) => Ok(true),
        Err(DatabaseError::Connect { source, .. }) if source.is("3D000") => Ok(false),
        Err(DatabaseError::Connect { source, .. }) => Err(source),
        Err(other) => Err(SqlError::new(ErrorKind::Internal, other.to_string())),
    }
}

fn launch(place: &Place, options: &Options) -> Result<(Child, LogMark), DatabaseError> {
    let found = server::data_major(&place.data);
    let binaries: Binaries = binaries::find(found.as_deref(), options.binaries.as_deref())?;
    match found {
        Some(found) if found != binaries.major => {
            return Err(DatabaseError::OtherMajor { data: place.data.clone(), found, installed: binaries.major });
        }
        Some(_) => {}
        None => server::initialise(place, &binaries)?,
    }
    server::spawn(place, &binaries, &place.socket_folder()?, &options.settings)
}

fn endpoint(sockets: &Path, database: &str) -> Result<Endpoint, DatabaseError> {
    let escape = |text: &str| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let sockets = escape(&sockets.to_string_lossy());
    let database = escape(database);
    let user = server::SUPERUSER;
    let url = format!("postgresql:///{database}?host={sockets}&port=5432&user={user}&sslmode=disable");
    Ok(Endpoint::from_url(&url)?.on_embedded())
}

fn guard(pid: Pid, folders: [&Path; 3]) -> Result<Child, DatabaseError> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", GUARD, "sh", &pid.to_string()]).args(folders);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    shell.spawn().map_err(|e| io("run", Path::new("/bin/sh"), e))
}

fn failed(message: &str) -> DatabaseError {
    DatabaseError::Embedded { message: message.to_owned() }
}
