//! Reading the folder: the only file that touches manifests on disk.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::num::NonZero;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use regex::Regex;
use toml::de::DeTable;

use super::check::check;
use super::declare::{Declared, Shared, declare, stem};
use super::query::reason;
use super::refresh::{Defaults, Said};
use super::report::Report;
use super::section::Section;
use super::spec::{CONFIG, Key, MART, PROJECT};
use super::{
    Desired, LoadOptions, ManifestError, Place, Problem, Project, Severity, environment, files, operate, settings,
    together,
};

/// The project's file, at the root of the folder.
const PROJECT_FILE: &str = "project.toml";

/// Below this many files threads cost more than they bring.
const WORTH_A_THREAD: usize = 64;

/// Reads every manifest of a folder and `project.toml`, validates them together and puts them in order. What the overlay
/// says stands instead of, or beside, the files; with it the folder need not exist yet.
///
/// # Errors
/// [`ManifestError::Read`] where a folder cannot be read (an unreadable one is not an empty one), [`ManifestError::Invalid`] with all
/// problems of all files, of which one may be that it cannot be read.
pub fn load(options: &LoadOptions) -> Result<Desired, ManifestError> {
    let source = Source { options };
    let files = source.list()?;
    let mut problems = Vec::new();
    let (project, defaults) = read_project(source, &files, &mut problems);
    let shared = Shared {
        project: &project,
        defaults: &defaults,
        naming: project.naming.as_ref().and_then(|n| Some((Regex::new(&n.pattern).ok()?, n.error))),
        read_text: &|path| source.text(path),
    };
    let marts: Vec<&File> = files.iter().filter(|f| f.path != PROJECT_FILE).collect();
    let mut declared = Vec::with_capacity(marts.len());
    for (mart, found) in read_all(&marts, source, &shared) {
        declared.extend(mart);
        problems.extend(found);
    }
    let marts = together::join(declared, &project, &mut problems);
    problems.sort_by_cached_key(|p| {
        let at = p.place.as_ref().map_or(0, |place| place.span.start);
        (p.file.clone(), at, p.severity)
    });
    if problems.iter().any(|p| p.severity == Severity::Error) {
        return Err(ManifestError::Invalid { problems });
    }
    Ok(Desired { dir: options.dir.clone(), project, defaults, marts, warnings: problems })
}

/// The project alone, without its marts, where one of these cannot be used: what was applied before goes on being refreshed.
///
/// # Errors
/// As [`load`], for what the project's own files say.
pub fn project_alone(options: &LoadOptions) -> Result<Desired, ManifestError> {
    let source = Source { options };
    let mut problems = Vec::new();
    let (project, defaults) = read_project(source, &source.list()?, &mut problems);
    if problems.iter().any(|p| p.severity == Severity::Error) {
        return Err(ManifestError::Invalid { problems });
    }
    Ok(Desired { dir: options.dir.clone(), project, defaults, marts: Vec::new(), warnings: problems })
}

/// A file below the folder.
pub(super) struct File {
    full: PathBuf,
    /// Below the folder, with `/`.
    pub path: String,
}

/// A text with its line ends as they are meant: a checkout may have made `\r\n` of them.
pub(super) fn plain(text: String) -> String {
    if text.contains("\r\n") { text.replace("\r\n", "\n") } else { text }
}

/// The byte order mark that some editors begin a file with.
pub(super) const MARK: &str = "\u{feff}";

/// A text without that mark.
pub(super) fn unmarked(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ManifestError + use<> {
    let path = path.to_owned();
    move |source| ManifestError::Read { path, source }
}

/// Where files are read: the folder, under its overlay.
#[derive(Clone, Copy)]
struct Source<'a> {
    options: &'a LoadOptions,
}

impl<'a> Source<'a> {
    /// Every `*.toml` that is not hidden, in order.
    fn list(self) -> Result<Vec<File>, ManifestError> {
        let LoadOptions { dir, overlay, .. } = self.options;
        let mut files = Vec::new();
        if overlay.is_empty() || dir.exists() {
            files = walk(dir, ".toml", &|path| files::admit(self.options, path).is_ok())?;
        }
        let known: HashSet<String> = files.iter().map(|f| f.path.clone()).collect();
        let is_manifest = |path: &str| path.ends_with(".toml") && !path.split('/').any(|part| part.starts_with('.'));
        let new = overlay.keys().filter(|path| is_manifest(path) && !known.contains(*path));
        files.extend(new.map(|path| File { full: dir.join(path), path: path.clone() }));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// The overlay's text for a file.
    fn overlaid(self, path: &Path) -> Option<&'a str> {
        let LoadOptions { dir, overlay, .. } = self.options;
        if overlay.is_empty() {
            return None;
        }
        overlay.get(&below(dir, path)?).map(String::as_str)
    }

    fn bytes(self, path: &Path) -> io::Result<Vec<u8>> {
        match self.overlaid(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => files::admit(self.options, path).and_then(|()| std::fs::read(path)),
        }
    }

    /// A query, without the mark that is none of it.
    fn text(self, path: &Path) -> io::Result<String> {
        let text = match self.overlaid(path) {
            Some(text) => text.to_owned(),
            None => {
                files::admit(self.options, path)?;
                std::fs::read_to_string(path)?
            }
        };
        Ok(plain(unmarked(&text).to_owned()))
    }

    fn is_file(self, path: &Path) -> bool {
        self.overlaid(path).is_some() || (path.is_file() && files::admit(self.options, path).is_ok())
    }
}

/// A path below the folder as overlays name it: with `/`, and without `.` and `..`.
pub(super) fn below(dir: &Path, path: &Path) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for component in path.strip_prefix(dir).ok()?.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// Every file below a folder whose name has an ending, hidden ones and those in hidden folders left out. Links are followed,
/// to each folder once and after the folders themselves; one that leads nowhere, or where it may not, is a file, which cannot be read.
pub(super) fn walk(dir: &Path, ending: &str, may: &dyn Fn(&Path) -> bool) -> Result<Vec<File>, ManifestError> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut folders = VecDeque::from([(dir.to_owned(), String::new())]);
    while let Some((folder, prefix)) = folders.pop_back() {
        // A link may lead back to a folder that was read.
        if !seen.insert(folder.canonicalize().map_err(failed(&folder))?) {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let full = entry.path();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(failed(&full))?;
            if kind.is_dir() {
                folders.push_back((full, format!("{path}/")));
            } else if kind.is_symlink() && full.is_dir() && !may(&full) {
                found.push(File { full, path });
            } else if kind.is_symlink() && full.is_dir() {
                folders.push_front((full, format!("{path}/")));
            } else if name.ends_with(ending) {
                found.push(File { full, path });
            }
        }
    }
    Ok(found)
}

/// `project.toml`, `--config` and the environment.
fn read_project(source: Source<'_>, files: &[File], problems: &mut Vec<Problem>) -> (Project, Defaults) {
    let options = source.options;
    let mut project = Project::default();
    let environment = &options.environment;
    let mut defaults =
        Defaults { project: Said::default(), environment: environment::apply(environment, &mut project, problems) };
    if let Some(file) = files.iter().find(|f| f.path == PROJECT_FILE) {
        problems.extend(with_file(&file.full, source.bytes(&file.full), PROJECT, |root, report| {
            let is_file = |path: &Path| source.is_file(path);
            defaults.project = settings::read(root, &options.dir, &is_file, &mut project, report);
            if options.config.is_none() {
                settings::read_operation(root, environment, &mut project, report);
            }
        }));
    }
    if let Some(config) = &options.config {
        problems.extend(with_file(config, std::fs::read(config), CONFIG, |root, report| {
            settings::read_operation(root, environment, &mut project, report);
            if root.has("http") {
                project.http = operate::http(&root.section("http"), report);
            }
        }));
    }
    (project, defaults)
}

/// Reads a file and checks it against its keys; what `then` does with it, and all that is wrong. A file whose TOML is
/// broken is checked as far as it goes, and `then` is left out.
fn with_file(
    path: &Path,
    bytes: io::Result<Vec<u8>>,
    keys: &'static [Key],
    then: impl FnOnce(&Section<'_>, &mut Report),
) -> Vec<Problem> {
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => return vec![unreadable(path, &error)],
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => plain(text),
        Err(error) => return vec![not_utf8(path, &error)],
    };
    let text: Arc<str> = text.into();
    let mut report = Report::new(path.to_owned(), text.clone());
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        report.error(span, "", error.message(), None);
    }
    let table = table.into_inner();
    check(&table, keys, !errors.is_empty(), &mut report);
    if errors.is_empty() {
        then(&Section::root(&table), &mut report);
    }
    report.problems
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem {
        severity: Severity::Error,
        file: path.to_owned(),
        place: None,
        key: None,
        message: format!("cannot read the file: {}", reason(error)),
        help: None,
    }
}

fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> Problem {
    let valid = error.utf8_error().valid_up_to();
    let start = plain(String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned());
    let end = start.len();
    Problem {
        severity: Severity::Error,
        file: path.to_owned(),
        place: Some(Place::new(start.into(), end..end)),
        key: None,
        message: format!("cannot read the file: {}", reason(&io::ErrorKind::InvalidData.into())),
        help: Some("save it as UTF-8".to_owned()),
    }
}

/// The project's file in another folder; a mart may have its name.
fn misplaced(file: &File, source: Source<'_>) -> Option<Problem> {
    if !file.path.ends_with("/project.toml") {
        return None;
    }
    let text = source.text(&file.full).ok()?;
    let (table, _) = DeTable::parse_recoverable(&text);
    let table = table.get_ref();
    let of_project = |key: &Key| table.contains_key(key.name) && MART.iter().all(|other| other.name != key.name);
    PROJECT.iter().any(of_project).then(|| Problem {
        severity: Severity::Error,
        file: file.full.clone(),
        place: None,
        key: None,
        message: "the project's file stands in a folder of marts".to_owned(),
        help: Some(format!("move it to the top of the folder, as {PROJECT_FILE}")),
    })
}

/// A mart and what is wrong in its file.
type MartRead = (Option<Declared>, Vec<Problem>);

fn read_mart(file: &File, source: Source<'_>, shared: &Shared<'_>) -> MartRead {
    if let Some(problem) = misplaced(file, source) {
        return (None, vec![problem]);
    }
    let mut mart = None;
    let problems = with_file(&file.full, source.bytes(&file.full), MART, |root, report| {
        mart = declare(root, &file.path, &stem(&file.path), shared, report);
    });
    (mart, problems)
}

/// All marts, in the order of their files; on several processors where there are many.
fn read_all(files: &[&File], source: Source<'_>, shared: &Shared<'_>) -> Vec<MartRead> {
    let one_by_one =
        |files: &[&File]| -> Vec<MartRead> { files.iter().map(|file| read_mart(file, source, shared)).collect() };
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(files.len() / WORTH_A_THREAD).max(1);
    let mut chunks = files.chunks(files.len().div_ceil(threads).max(1));
    let Some(first) = chunks.next() else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = chunks
            .map(|chunk| {
                let work = move || chunk.iter().map(|file| read_mart(file, source, shared)).collect::<Vec<_>>();
                let thread = std::thread::Builder::new().spawn_scoped(scope, work);
                (chunk, thread)
            })
            .collect();
        let mut all = one_by_one(first);
        for (chunk, thread) in others {
            match thread.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(results)) => all.extend(results),
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                Err(_) => all.extend(one_by_one(chunk)),
            }
        }
        all
    })
}
