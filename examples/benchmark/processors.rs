//! How long processors worked for somebody.

use nix::libc;

use crate::Result;

/// What `/proc` tells of a process.
struct Process {
    parent: u32,
    /// Seconds of its own.
    own: f64,
    /// Seconds of those that it started and that ended.
    ended: f64,
}

/// Seconds that a process has had.
pub fn of(pid: u32) -> Result<f64> {
    Ok(process(pid)?.own)
}

/// Seconds that a server has had, with all its sessions; `backend` is one of them.
pub fn of_server(backend: u32) -> Result<f64> {
    let server = process(backend)?.parent;
    let its = process(server)?;
    let mut seconds = its.own + its.ended;
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Others come and go.
        if let Ok(process) = process(pid) {
            seconds += if process.parent == server { process.own } else { 0.0 };
        }
    }
    Ok(seconds)
}

fn process(pid: u32) -> Result<Process> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses, which may hold anything.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |at: usize| fields.get(at).copied().ok_or("a short /proc/PID/stat");
    // SAFETY: it reads a number of the system.
    let each = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let seconds = |at: usize| -> Result<f64> { Ok(field(at)?.parse::<f64>()? / each) };
    Ok(Process { parent: field(1)?.parse()?, own: seconds(11)? + seconds(12)?, ended: seconds(13)? + seconds(14)? })
}
