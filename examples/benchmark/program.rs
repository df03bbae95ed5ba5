//! The real binary, run as a whole process and measured from outside.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::libc;

use crate::Result;

/// The binary that is measured.
pub struct Program(PathBuf);

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// From the start of the process to its end.
    pub wall: Duration,
    /// The most memory it had at a time, in bytes.
    pub memory: u64,
}

impl Program {
    /// The binary that was built with this example: `target/<profile>/examples/benchmark` → `target/<profile>/datamart`.
    pub fn find() -> Result<Self> {
        if cfg!(debug_assertions) {
            return Err("measure what users run: cargo run --release --example benchmark".into());
        }
        let example = std::env::current_exe()?;
        let binary = example.parent().and_then(Path::parent).map(|profile| profile.join("datamart"));
        match binary.filter(|binary| binary.is_file()) {
            Some(binary) => Ok(Self(binary)),
            None => Err("the binary is missing; build it first: cargo build --release".into()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.0)?.len())
    }

    /// Runs it to its end, without what the caller's environment says of databases and manifests.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Run> {
        let mut command = Command::new(&self.0);
        command.args(args);
        run(&mut command)
    }
}

/// Runs a command to its end; a failure is an error with what it said.
pub fn run(command: &mut Command) -> Result<Run> {
    for (name, _) in std::env::vars_os() {
        let ours = name.as_encoded_bytes();
        if ours.starts_with(b"DATAMART") || ours.starts_with(b"PG") || ours == b"DATABASE_URL" {
            command.env_remove(&name);
        }
    }
    let mut said = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone()?);
    let begun = Instant::now();
    let child = command.spawn()?;
    let (status, memory) = wait(child.id())?;
    let wall = begun.elapsed();
    if !status.success() {
        let mut text = String::new();
        std::io::Seek::rewind(&mut said)?;
        std::io::Read::read_to_string(&mut said, &mut text)?;
        return Err(format!("{}: {status}\n{text}", command.get_program().display()).into());
    }
    Ok(Run { wall, memory })
}

/// Waits for a child, and gives the most memory it had. That is at least what this process has, from which it was made.
fn wait(child: u32) -> Result<(ExitStatus, u64)> {
    let pid = libc::pid_t::try_from(child)?;
    let mut status = 0;
    // SAFETY: a `rusage` is numbers, for which zeroes are values.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to locals that outlive the call; nobody else waits for this child.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if waited == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error.into());
        }
    }
    // Linux counts in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    Ok((ExitStatus::from_raw(status), u64::try_from(usage.ru_maxrss)? * unit))
}
