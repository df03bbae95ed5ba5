//! The one rule of the architecture, and where each effect is at home.

use std::path::{Path, PathBuf};

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("a source file");
    // Tests may do as they like; comments import nothing.
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn modules() -> Vec<String> {
    let lib = std::fs::read_to_string(Path::new(SRC).join("lib.rs")).expect("lib.rs");
    lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

#[test]
fn a_module_imports_only_modules_above_it() {
    let modules = modules();
    assert!(modules.len() >= 10, "{modules:?}");
    let mut found = Vec::new();
    for (level, module) in modules.iter().enumerate() {
        let folder = Path::new(SRC).join(module);
        for file in sources(&folder) {
            let code = code(&file);
            for below in &modules[level + 1..] {
                if code.contains(&format!("crate::{below}::")) || code.contains(&format!("crate::{{{below}")) {
                    found.push(format!("{} imports {below}", file.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_library_does_not_print_or_exit() {
    let mut found = Vec::new();
    for module in modules() {
        for file in sources(&Path::new(SRC).join(module)) {
            let code = code(&file);
            for word in ["println!", "eprintln!", "print!(", "process::exit", "clap::"] {
                if code.contains(word) {
                    found.push(format!("{} has {word}", file.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn effects_have_one_home() {
    /// What only the files whose path holds one of the words may do.
    const HOMES: &[(&str, &[&str])] = &[
        ("println!", &["cli/print.rs"]),
        ("eprintln!", &["cli/print.rs"]),
        ("pg_try_advisory_lock", &["database/lock"]),
        ("tokio::time::sleep", &["database/retry.rs", "database/lock", "database/embedded", "reconcile/", "serve/"]),
        ("TcpListener::bind", &["serve/"]),
        ("Utc::now()", &["cli/", "refresh/work", "reconcile/"]),
        ("tokio::spawn", &["reconcile/"]),
        ("std::env::var", &["cli/", "database/embedded"]),
    ];
    let mut found = Vec::new();
    for file in sources(Path::new(SRC)) {
        let path = file.strip_prefix(SRC).expect("below src").to_string_lossy().into_owned();
        let code = code(&file);
        for (effect, homes) in HOMES {
            if code.contains(effect) && !homes.iter().any(|home| path.contains(home)) {
                found.push(format!("{path} has {effect}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources(Path::new(SRC))
        .iter()
        .map(|file| (file, std::fs::read_to_string(file).expect("a source file").lines().count()))
        .filter(|(_, lines)| *lines > 400)
        .map(|(file, lines)| format!("{} has {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
