//! The processes: `initdb`, `postgres`, and the pid file it keeps.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::binaries::Binaries;
use super::place::{Place, io};
use crate::database::DatabaseError;

/// The log is begun anew when it is larger.
const LOG_BYTES: u64 = 10_000_000;

/// What the server is told at every start. Where a setting is not here, PostgreSQL's default is right.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("port", "5432"),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "100"),
    ("shared_buffers", "128MB"),
    ("maintenance_work_mem", "128MB"),
    ("min_wal_size", "80MB"),
    ("max_wal_size", "1GB"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_line_prefix", "%m [%p] %a "),
    ("log_checkpoints", "off"),
    // Compiling costs more than it gives on data of this size.
    ("jit", "off"),
    ("ssl", "off"),
];

/// The role of our own server. Not `datamart`: that is the registry's schema, and `"$user"` leads every search path.
pub(super) const SUPERUSER: &str = "postgres";

/// What `postmaster.pid` says. <https://www.postgresql.org/docs/current/storage-file-layout.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: Pid,
    pub(super) sockets: Option<PathBuf>,
}

impl PidFile {
    /// The pid file of a server that runs on this data directory. One that a dead server left behind is no server; where `postgres`
    /// would take its number for a server all the same, and none is there, the file is removed.
    pub(super) fn of_running(data: &Path) -> Option<Self> {
        let path = data.join("postmaster.pid");
        let text = fs::read_to_string(&path).ok()?;
        let found = Self::parse(&text)?;
        match Process::of(found.pid, data) {
            Process::Server => return Some(found),
            // Its sessions outlive a killed server by moments, and may still write.
            Process::Ended if is_used(data) => {
                return Some(Self { sockets: None, ..found });
            }
            Process::Ended | Process::Other => {
                let _ = fs::remove_file(&path);
            }
            // `postgres` itself looks for sessions that a killed server left.
            Process::None => {}
        }
        None
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid: i32 = lines.next()?.trim().parse().ok()?;
        let sockets = lines.nth(3).map(str::trim).filter(|line| line.starts_with('/'));
        (pid > 1).then(|| Self { pid: Pid::from_raw(pid), sockets: sockets.map(PathBuf::from) })
    }
}

/// The major version a data directory was made by.
pub(super) fn data_major(data: &Path) -> Option<String> {
    let text = fs::read_to_string(data.join("PG_VERSION")).ok()?;
    Some(text.trim().to_owned())
}

/// What a process number stands for.
#[derive(Debug, PartialEq, Eq)]
enum Process {
    /// Nothing.
    None,
    /// A process that has ended, and that its parent has not waited for yet.
    Ended,
    /// A program that works elsewhere; only where `/proc` tells.
    Other,
    /// The server of this data directory, as far as can be seen.
    Server,
}

impl Process {
    fn of(pid: Pid, data: &Path) -> Self {
        if !alive(pid) {
            let there = kill(pid, None).is_ok();
            return if there { Process::Ended } else { Process::None };
        }
        // A server works in its data directory, wherever that was moved to.
        match (fs::read_link(format!("/proc/{pid}/cwd")), data.canonicalize()) {
            (Ok(works_in), Ok(data)) if works_in != data => Process::Other,
            _ => Process::Server,
        }
    }
}

/// Whether there is such a process, and it has not ended.
pub(super) fn alive(pid: Pid) -> bool {
    let there = !matches!(kill(pid, None), Err(nix::errno::Errno::ESRCH));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    there && !state.is_some_and(|state| state.starts_with('Z'))
}

/// Whether any process works in this folder, as every process of a server does in its data directory.
fn is_used(data: &Path) -> bool {
    let (Ok(processes), Ok(data)) = (fs::read_dir("/proc"), data.canonicalize()) else {
        return false;
    };
    processes.flatten().any(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|works_in| works_in == data))
}

/// Asks for a fast shutdown: sessions are ended, everything is written.
pub(super) fn ask_to_stop(pid: Pid) -> bool {
    kill(pid, Signal::SIGINT).is_ok()
}

/// Makes the data directory, aside first, so that a half-made one is never taken for one.
pub(super) fn initialise(place: &Place, binaries: &Binaries) -> Result<(), DatabaseError> {
    let aside = place.home.join("postgres.new");
    let mut output = initdb(place, binaries, &aside, "C.UTF-8")?;
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("locale") {
        output = initdb(place, binaries, &aside, "C")?;
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(DatabaseError::Embedded { message: format!("initdb failed: {}", last_lines(&said, 5)) });
    }
    fs::rename(&aside, &place.data).map_err(|e| io("move", &aside, e))?;
    // Written to disk while the server starts: on a slow disk this takes longer than all the rest.
    let mut sync = command(place, &binaries.initdb());
    sync.arg("--sync-only").arg("-D").arg(&place.data).stdout(Stdio::null()).stderr(Stdio::null());
    sync.spawn().map(drop).map_err(|e| io("run", &binaries.initdb(), e))
}

fn initdb(place: &Place, binaries: &Binaries, data: &Path, locale: &str) -> Result<Output, DatabaseError> {
    if data.exists() {
        fs::remove_dir_all(data).map_err(|e| io("remove", data, e))?;
    }
    place.server_folder(data)?;
    let mut initdb = command(place, &binaries.initdb());
    initdb.arg("-D").arg(data).arg("--locale").arg(locale);
    // Trust is safe here: the socket's folder lets nobody in but the server's user and root, and there is no TCP.
    initdb.args(["-U", SUPERUSER, "--auth=trust", "-E", "UTF8", "--no-sync", "--no-instructions"]);
    initdb.output().map_err(|e| io("run", &binaries.initdb(), e))
}

/// Starts the server, in a process group of its own, so that Ctrl-C ends the command and not the server.
pub(super) fn spawn(
    place: &Place,
    binaries: &Binaries,
    sockets: &Path,
    settings: &[(String, String)],
) -> Result<(Child, LogMark), DatabaseError> {
    // No server runs here any more: what a killed one left in the folder, which is ours alone, would only be in the way.
    for left in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
        let _ = fs::remove_file(sockets.join(left));
    }
    let (log, mark) = LogMark::open(&place.home.join("postgres.log"))?;
    let errors = log.try_clone().map_err(|e| io("open", &mark.path, e))?;
    let mut postgres = command(place, &binaries.postgres());
    postgres.arg("-D").arg(&place.data);
    for (name, value) in SETTINGS {
        postgres.arg("-c").arg(format!("{name}={value}"));
    }
    postgres.arg("-c").arg(format!("unix_socket_directories={}", sockets.display()));
    for (name, value) in settings {
        postgres.arg("-c").arg(format!("{name}={value}"));
    }
    postgres.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
    let child = postgres.spawn().map_err(|e| io("run", &binaries.postgres(), e))?;
    Ok((child, mark))
}

/// A program run as the server's user, without the caller's `PG*` variables, from a folder everyone may enter.
fn command(place: &Place, program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") || name.as_encoded_bytes().starts_with(b"LC_") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if let Some(user) = place.run_as {
        // The other groups of root go with this, too.
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// Where the log stood when the server was started.
#[derive(Debug)]
pub(super) struct LogMark {
    path: PathBuf,
    at: u64,
}

impl LogMark {
    fn open(path: &Path) -> Result<(File, Self), DatabaseError> {
        let large = fs::metadata(path).is_ok_and(|meta| meta.len() > LOG_BYTES);
        if large {
            fs::remove_file(path).map_err(|e| io("remove", path, e))?;
        }
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let log = opened.map_err(|e| io("open", path, e))?;
        let at = log.metadata().map_or(0, |meta| meta.len());
        Ok((log, Self { path: path.to_owned(), at }))
    }

    /// What the server said since, its last lines.
    pub(super) fn since(&self) -> String {
        let mut said = String::new();
        if let Ok(mut log) = File::open(&self.path) {
            let _ = log.seek(SeekFrom::Start(self.at));
            let _ = log.read_to_string(&mut said);
        }
        last_lines(&said, 5)
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_is_read() {
        let text = "4711\n/x/postgres\n1700000000\n5432\n/run/datamart/abc\n\n  1234 5\nready   \n";
        let found = PidFile::parse(text);
        assert_eq!(
            found,
            Some(PidFile { pid: Pid::from_raw(4711), sockets: Some(PathBuf::from("/run/datamart/abc")) })
        );
        assert_eq!(PidFile::parse(""), None);
        assert_eq!(PidFile::parse("0\n"), None);
    }

    #[test]
    fn a_number_that_another_program_has_is_no_server() -> std::io::Result<()> {
        let data = tempfile::tempdir()?;
        let file = data.path().join("postmaster.pid");
        fs::write(&file, format!("{}\n/x\n1\n5432\n/run/x\n", std::process::id()))?;
        assert_eq!(PidFile::of_running(data.path()), None);
        assert!(!file.exists());
        Ok(())
    }
}
