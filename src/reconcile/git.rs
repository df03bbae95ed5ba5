//! A branch of a git repository as a folder of ours, kept up to date by the `git` program.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use tokio::process::Command;

use super::Source;
use crate::state::Fingerprint;

/// Asking what a branch is.
const ASK: Duration = Duration::from_secs(30);
/// Fetching it.
const FETCH: Duration = Duration::from_secs(300);
/// What needs no network.
const LOCAL: Duration = Duration::from_secs(60);
/// As many daemons of one machine may read the same branch.
const PLACES: u32 = 64;
/// Variables that lead `git` to another repository than the one it is told.
const ELSEWHERE: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_COMMON_DIR",
];

/// Why a branch could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// What was asked for cannot be.
    #[error("{message}")]
    Config {
        /// What is wrong.
        message: String,
    },
    /// The work tree's folder cannot be used.
    #[error("cannot use {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program cannot be run.
    #[error("cannot run git")]
    Start {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It did not end in time, and was ended.
    #[error("git {what} did not end within {} s", limit.as_secs())]
    Timeout {
        /// What it did.
        what: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The repository has no such branch.
    #[error("{of} has no branch {branch}")]
    Branch {
        /// The repository.
        of: String,
        /// The branch's name.
        branch: String,
    },
    /// The branch has no such folder.
    #[error("branch {branch} of {of} has no folder {}", path.display())]
    Path {
        /// The repository.
        of: String,
        /// The branch's name.
        branch: String,
        /// Where the manifests were looked for.
        path: PathBuf,
    },
    /// It failed.
    #[error("git {what} failed: {message}")]
    Failed {
        /// What it did.
        what: &'static str,
        /// What it said.
        message: String,
    },
}

impl GitError {
    /// One fixed word: exit code, metric label, retry policy.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Config { .. } => "config",
            _ => "git",
        }
    }
}

/// What a daemon's `--git` says, checked.
#[derive(Clone)]
pub(super) struct Repository {
    url: String,
    branch: String,
    path: PathBuf,
    home: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Repository {
    /// Nothing is run yet. `None` where the source is no repository.
    ///
    /// # Errors
    /// [`GitError::Config`].
    pub fn new(source: &Source, environment: &BTreeMap<String, String>) -> Result<Option<Self>, GitError> {
        let Source::Git { url, branch, path, home, .. } = source else { return Ok(None) };
        let refuse = |message: &str| Err(GitError::Config { message: message.to_owned() });
        // Nothing that is given may be taken for an option, or for a command that git runs.
        let helper = url.split_once("::").is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric()));
        if url.is_empty() || url.starts_with('-') || helper || url.chars().any(char::is_control) {
            return refuse("the repository's address cannot be used");
        }
        if !is_branch(branch) {
            return Err(GitError::Config { message: format!("{branch:?} is no name of a branch") });
        }
        let path = Path::new(path.trim_start_matches("./"));
        if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return refuse("the path in the repository must be a folder below its root");
        }
        // git runs in the work tree, from where another folder would be meant.
        let local = Path::new(url).is_dir().then(|| std::path::absolute(url).ok()).flatten();
        let local = local.and_then(|path| path.into_os_string().into_string().ok());
        Ok(Some(Self {
            url: local.unwrap_or_else(|| url.clone()),
            branch: branch.clone(),
            path: path.to_owned(),
            home: home.clone(),
            environment: environment.clone(),
        }))
    }

    /// Takes a folder for its work tree, which no other process uses meanwhile.
    ///
    /// # Errors
    /// [`GitError::Folder`].
    pub fn open(&self) -> Result<WorkTree, GitError> {
        let digest = Fingerprint::of(&(&self.url, &self.branch)).0;
        let name: String = digest.trim_start_matches("sha256:").chars().take(12).collect();
        let mut failed = None;
        for number in 0..PLACES {
            let folder = self.home.join(if number == 0 { name.clone() } else { format!("{name}-{number}") });
            match hold(&folder) {
                Ok(Some(lock)) => return Ok(WorkTree { of: self.clone(), tree: folder.join("tree"), _lock: lock }),
                Ok(None) => {}
                Err(source) => {
                    failed = Some(GitError::Folder { path: folder, source });
                    break;
                }
            }
        }
        Err(failed.unwrap_or_else(|| GitError::Config {
            message: format!("too many processes have work trees in {}", self.home.display()),
        }))
    }

    /// The address without what logs should not have.
    fn label(&self) -> String {
        match (self.url.find("://"), self.url.rfind('@')) {
            (Some(scheme), Some(at)) if scheme + 3 <= at => {
                format!("{}{}", &self.url[..scheme + 3], &self.url[at + 1..])
            }
            _ => self.url.clone(),
        }
    }

    /// What git said, without what logs should not have.
    fn redacted(&self, text: &str) -> String {
        let text = text.replace(&self.url, &self.label());
        let user = self.url.find("://").zip(self.url.rfind('@')).and_then(|(scheme, at)| self.url.get(scheme + 3..at));
        let secrets = user.into_iter().flat_map(|user| [Some(user), user.split_once(':').map(|(_, secret)| secret)]);
        secrets.flatten().filter(|secret| !secret.is_empty()).fold(text, |text, secret| text.replace(secret, "***"))
    }
}

/// What git-check-ref-format(1) takes, and no option.
fn is_branch(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    !name.starts_with('-')
        && !name.chars().any(forbidden)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && !matches!(name, "@" | "HEAD")
        && name.split('/').all(part)
}

/// The folder, held; `None` where another process holds it.
fn hold(folder: &Path) -> std::io::Result<Option<Flock<File>>> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok())
}

/// A work tree that is ours while this is held.
pub(super) struct WorkTree {
    of: Repository,
    tree: PathBuf,
    _lock: Flock<File>,
}

impl WorkTree {
    /// Where the repository's files are.
    pub fn root(&self) -> &Path {
        &self.tree
    }

    /// The folder with the manifests.
    pub fn folder(&self) -> PathBuf {
        self.tree.join(&self.of.path)
    }

    /// Whether something was checked out, now or by an earlier process.
    pub async fn is_there(&self) -> bool {
        self.head().await.is_some()
    }

    /// Brings it to the branch's newest commit; `false` where it was there. Where this fails it stays as it is.
    ///
    /// # Errors
    /// What git says.
    pub async fn update(&self) -> Result<bool, GitError> {
        self.prepare(&self.tree).await?;
        let reference = format!("refs/heads/{}", self.of.branch);
        let told = self.git("ls-remote", &["origin", &reference], ASK).await?;
        let Some(commit) = told.split_whitespace().next().map(str::to_owned) else {
            return Err(GitError::Branch { of: self.of.label(), branch: self.of.branch.clone() });
        };
        if self.head().await.as_ref() == Some(&commit) && self.is_clean().await {
            return self.contained().map(|()| false);
        }
        if let Err(error) = self.check_out(&self.tree, &reference).await {
            // The folder may be damaged: by a crash in the middle of a fetch, perhaps. Or the repository is out of reach by now.
            tracing::warn!(%error, "the work tree is made anew");
            self.make_anew(&reference).await?;
        }
        self.contained().map(|()| true)
    }

    /// Another work tree instead of this one, which goes only once the other is there.
    async fn make_anew(&self, reference: &str) -> Result<(), GitError> {
        let anew = self.tree.with_extension("anew");
        // Left by a process that was killed.
        let _ = std::fs::remove_dir_all(&anew);
        let made = async {
            self.prepare(&anew).await?;
            self.check_out(&anew, reference).await
        };
        if let Err(error) = made.await {
            let _ = std::fs::remove_dir_all(&anew);
            return Err(error);
        }
        let instead = std::fs::remove_dir_all(&self.tree).and_then(|()| std::fs::rename(&anew, &self.tree));
        instead.map_err(|source| self.folder_failed(source))
    }

    /// The branch has the folder with the manifests.
    fn contained(&self) -> Result<(), GitError> {
        if self.folder().is_dir() {
            return Ok(());
        }
        let (of, branch, path) = (self.of.label(), self.of.branch.clone(), self.of.path.clone());
        Err(GitError::Path { of, branch, path })
    }

    /// An empty repository, where there is none.
    async fn prepare(&self, tree: &Path) -> Result<(), GitError> {
        std::fs::create_dir_all(tree).map_err(|source| self.folder_failed(source))?;
        if !tree.join(".git/HEAD").exists() {
            self.git_in(tree, "init", &["--quiet"], LOCAL).await?;
        }
        // Nobody else works here: a lock was left by a process that was killed.
        for left in ["index.lock", "shallow.lock", "HEAD.lock", "config.lock"] {
            let _ = std::fs::remove_file(tree.join(".git").join(left));
        }
        Ok(())
    }

    async fn check_out(&self, tree: &Path, reference: &str) -> Result<(), GitError> {
        let branch = &self.of.branch;
        let wanted = format!("+{reference}:refs/remotes/origin/{branch}");
        let quiet = ["--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--force", "origin", &wanted];
        self.git_in(tree, "fetch", &quiet, FETCH).await?;
        // On a branch of that name, so that the folder's revision says where it comes from.
        let fetched = format!("refs/remotes/origin/{branch}");
        let quiet = ["--quiet", "--force", "--no-track", "-B", branch, &fetched, "--"];
        self.git_in(tree, "checkout", &quiet, LOCAL).await?;
        Ok(())
    }

    async fn head(&self) -> Option<String> {
        let args = ["--quiet", "--verify", "HEAD^{commit}"];
        self.git("rev-parse", &args, LOCAL).await.ok().map(|text| text.trim().to_owned())
    }

    /// Nothing that was checked out is missing or other than it was.
    async fn is_clean(&self) -> bool {
        let args = ["--porcelain", "--untracked-files=no"];
        self.git("status", &args, LOCAL).await.is_ok_and(|text| text.trim().is_empty())
    }

    fn folder_failed(&self, source: std::io::Error) -> GitError {
        GitError::Folder { path: self.tree.clone(), source }
    }

    /// Runs `git <what> <args>` in the work tree, and gives what it prints.
    async fn git(&self, what: &'static str, args: &[&str], limit: Duration) -> Result<String, GitError> {
        self.git_in(&self.tree, what, args, limit).await
    }

    /// The same, in a folder.
    async fn git_in(
        &self,
        tree: &Path,
        what: &'static str,
        args: &[&str],
        limit: Duration,
    ) -> Result<String, GitError> {
        let mut command = Command::new("git");
        command.arg("-C").arg(tree);
        // No code of the repository runs, and nothing goes on behind our back.
        let settings =
            ["core.hooksPath=/dev/null", "gc.autoDetach=false", "maintenance.autoDetach=false", "core.fsmonitor=false"];
        settings.iter().for_each(|setting| {
            command.args(["-c", setting]);
        });
        command.arg(what).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A Ctrl-C is for us, who end git when we drop it.
        command.kill_on_drop(true).process_group(0);
        ELSEWHERE.iter().for_each(|name| {
            command.env_remove(name);
        });
        // The address is told by the environment: everybody sees the arguments of a process, and it is kept in no file.
        let given = &self.of.environment;
        let count: u32 = given.get("GIT_CONFIG_COUNT").and_then(|text| text.parse().ok()).unwrap_or(0);
        command.env("GIT_CONFIG_COUNT", (count + 1).to_string());
        command.env(format!("GIT_CONFIG_KEY_{count}"), "remote.origin.url");
        command.env(format!("GIT_CONFIG_VALUE_{count}"), &self.of.url);
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        if !given.contains_key("GIT_SSH_COMMAND") && !given.contains_key("GIT_SSH") {
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=10");
        }
        let output = match tokio::time::timeout(limit, command.output()).await {
            Err(_) => return Err(GitError::Timeout { what, limit }),
            Ok(output) => output.map_err(|source| GitError::Start { source })?,
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("hint:"));
        let message = match lines.collect::<Vec<_>>().join("; ") {
            silent if silent.is_empty() => output.status.to_string(),
            said => self.of.redacted(&said),
        };
        Err(GitError::Failed { what, message })
    }
}
