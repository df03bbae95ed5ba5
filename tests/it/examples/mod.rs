//! The projects of `examples/`, as a user meets them: each in a folder of its own, on the embedded server, with less data.

mod action_analytics;
mod deploy;
mod historical_http;
mod historical_kpis;
mod partitions;
mod readme;
mod sales_refresh;

use std::path::{Path, PathBuf};
use std::process::Command;

use datamart::database::embedded::{self, Embedded, Options};
use serde_json::Value;

use crate::cli::rig::{Out, Running, bare, folder};
use crate::support::database::run;
use crate::support::folder::Folder;
use crate::support::postgresql::of_children;
use crate::support::wait::within_an_hour;

/// Where the examples stand.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A copy of one example.
pub struct Example {
    name: &'static str,
    folder: Folder,
    /// Once applied, a use of its server, so that not every command starts and stops it.
    server: Option<Embedded>,
}

impl Drop for Example {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // Best effort: its folder goes anyway.
            let _ = run(server.stop());
        }
    }
}

impl Example {
    /// The example of this name, with a line put before its seed.
    pub fn of(name: &'static str, size: &str) -> Self {
        run(within_an_hour());
        let folder = folder(&[]);
        copy(&examples().join(name), folder.path());
        let seed = folder.path().join("datamarts/seed.sql");
        let script = std::fs::read_to_string(&seed).expect("a seed");
        std::fs::write(seed, format!("{size};\n{script}")).expect("a seed");
        Self { name, folder, server: None }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// One of our commands.
    pub fn command(&self, args: &[&str]) -> Command {
        bare(self.path(), args)
    }

    /// Runs one of our commands to its end.
    pub fn run(&self, args: &[&str]) -> Out {
        self.finish(self.command(args))
    }

    /// Runs any command to its end.
    pub fn finish(&self, command: Command) -> Out {
        Running::start(command, vec![(self.path().display().to_string(), "DIR".to_owned())]).finish()
    }

    /// Applies it, and shows that nothing is left to do.
    pub fn apply(&mut self) {
        self.run(&["apply", "--auto-approve", "-q"]).done();
        let mut options = Options { binaries: of_children(), ..Options::beside(self.path()) };
        options.database = self.name.to_owned();
        options.settings.push(("fsync".to_owned(), "off".to_owned()));
        self.server = Some(run(embedded::start(options)).expect("the server"));
        let planned = self.run(&["plan", "--detailed-exitcode", "-q"]).done();
        assert!(planned.stdout.starts_with("No changes."), "{planned}");
    }

    /// What statements print, one value a line.
    pub fn sql(&self, statements: &[&str]) -> String {
        let mut args = vec!["-q", "psql", "-XAtq", "-F", " ", "-v", "ON_ERROR_STOP=1"];
        args.extend(statements.iter().flat_map(|statement| ["-c", *statement]));
        self.run(&args).done().stdout
    }

    /// Each mart's value of a key of `status`.
    pub fn status(&self, key: &str) -> Vec<String> {
        let status = self.run(&["status", "-q", "--format", "json"]).done().json();
        marts(&status["marts"], "name", key)
    }

    /// Refreshes what is asked for: mart, status and method of each run.
    pub fn refresh(&self, args: &[&str]) -> Vec<String> {
        let args: Vec<&str> = ["refresh", "-q", "--format", "json"].iter().chain(args).copied().collect();
        let runs = self.run(&args).done().json();
        let mut told: Vec<String> = runs["runs"]
            .as_array()
            .expect("runs")
            .iter()
            .map(|run| format!("{} {} {}", word(&run["mart"]), word(&run["status"]), word(&run["method"])))
            .collect();
        told.sort();
        told
    }
}

/// `name value` of every object in a list.
fn marts(list: &Value, name: &str, key: &str) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|mart| format!("{} {}", word(&mart[name]), word(&mart[key]))).collect()
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == ".datamart" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
