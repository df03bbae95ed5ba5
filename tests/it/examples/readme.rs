//! What the READMEs tell people to type.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::examples;

/// The blocks of one language in a README, one after the other.
pub fn blocks(readme: &Path, language: &str) -> String {
    let text = std::fs::read_to_string(readme).expect("a README");
    let blocks = text.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned() + "\n")).collect()
}

/// The lines of a README's shell blocks.
pub fn shell(readme: &Path) -> Vec<String> {
    blocks(readme, "sh").lines().map(str::to_owned).collect()
}

fn readmes() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(examples()).expect("a folder").flatten();
    let mut found: Vec<PathBuf> = folders.map(|e| e.path().join("README.md")).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

/// Our commands in a text, as the arguments behind the program's name.
fn commands(text: &str) -> Vec<Vec<String>> {
    const STARTS: [&str; 2] = ["cargo run -- ", "datamart "];
    let mut found = Vec::new();
    for line in text.lines() {
        let Some(at) = STARTS.iter().find_map(|start| line.strip_prefix(start)) else { continue };
        let line = at.split("  #").next().unwrap_or(at);
        found.push(words(line));
    }
    found
}

/// Words as a shell splits them; quotes are the only thing it knows.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.trim().chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().expect("a word").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether our command line knows these words; `--help` behind them keeps it from running anything.
pub fn known(args: &[String]) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datamart"));
    let out = command.env_clear().args(args).arg("--help").output().expect("the binary");
    if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
}

#[test]
fn every_command_of_a_readme_is_one() {
    let mut count = 0;
    for readme in readmes() {
        for line in shell(&readme) {
            for args in commands(&line) {
                // What stands behind psql is psql's.
                let ours = args.iter().position(|word| word == "psql").map_or(&args[..], |at| &args[..=at]);
                known(ours).unwrap_or_else(|error| panic!("{}: {line}\n{error}", readme.display()));
                count += 1;
            }
        }
    }
    assert!(count >= 8, "{count} commands");
}

#[test]
fn every_file_a_readme_links_to_is_there() {
    let link = regex::Regex::new(r"\]\(([^)#]+)\)").expect("a pattern");
    let mut count = 0;
    for readme in readmes() {
        let text = std::fs::read_to_string(&readme).expect("a README");
        for found in link.captures_iter(&text) {
            let target = found[1].to_owned();
            if !target.contains("://") {
                assert!(readme.with_file_name(&target).exists(), "{} links to {target}", readme.display());
                count += 1;
            }
        }
    }
    assert!(count >= 8, "{count} links");
}
