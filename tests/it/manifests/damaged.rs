//! Whatever an editor, a merge or a full disk leaves behind: no panic, and every problem at its place.

use std::cell::Cell;
use std::path::Path;

use datamart::manifest::{Desired, ManifestError, Problem, render};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::{MARTS, SAMPLE, SQL, files_of, load, told};
use crate::support::folder::Folder;

#[test]
fn no_file_makes_it_panic_and_every_place_is_in_its_file() {
    let query = "SELECT o.*, 'ñ' AS \"ñ\" FROM orders AS o -- all\n";
    let mut originals = files_of(Path::new(SAMPLE));
    for (name, text) in [("everything.toml", MARTS[0]), ("plain.toml", MARTS[1]), (SQL.0, query)] {
        originals.push((name.to_owned(), text.to_owned()));
    }
    let dir = Folder::of(&[("seed.sql", "")]);
    for (name, text) in &originals {
        dir.write(name, text);
    }
    assert!(told(dir.path()).0);
    let (usable, refused) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    let mut seed = [0; 32];
    let number = std::env::var("DATAMART_SEED").map_or(5, |seed| seed.parse().expect("a number"));
    seed[..8].copy_from_slice(&u64::to_le_bytes(number));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let strategy = (prop::sample::select(originals), prop::collection::vec(change(), 1..5));
    let outcome = TestRunner::new_with_rng(config, rng).run(&strategy, |((name, text), changes)| {
        let mut bytes = text.clone().into_bytes();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        let file = dir.path().join(&name);
        std::fs::write(&file, &bytes).expect("written");
        let outcome = load(dir.path());
        let checked = match &outcome {
            Ok(desired) => places_are_in_files(&desired.warnings).and_then(|()| queries_are_in_files(desired)),
            Err(ManifestError::Invalid { problems }) => places_are_in_files(problems),
            Err(error) => Err(TestCaseError::fail(format!("{error:?}"))),
        };
        let count = if outcome.is_ok() { &usable } else { &refused };
        count.set(count.get() + 1);
        std::fs::write(&file, &text).expect("put back");
        checked
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(usable.get() > 10 && refused.get() > 100, "{usable:?} {refused:?}");
}

fn places_are_in_files(problems: &[Problem]) -> Result<(), TestCaseError> {
    for problem in problems {
        let bytes = unix(&std::fs::read(&problem.file).expect("the file of a problem"));
        let Some(place) = &problem.place else { continue };
        // Of a file that is no text, what stands before the first wrong byte.
        prop_assert!(bytes.starts_with(place.text.as_bytes()), "{problem:?}");
        prop_assert!(place.text.get(place.span.clone()).is_some(), "{problem:?}");
        let before = &place.text[..place.span.start];
        let column = before.rsplit('\n').next().expect("a line").chars().count() + 1;
        prop_assert_eq!((place.line, place.column), (before.matches('\n').count() + 1, column), "{:?}", problem);
        prop_assert!(!problem.message.is_empty());
    }
    for color in [false, true] {
        prop_assert_eq!(render(problems, color).is_empty(), problems.is_empty());
    }
    Ok(())
}

/// A file as it is read: `\r\n` is `\n`.
fn unix(bytes: &[u8]) -> Vec<u8> {
    let is_end = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n');
    (0..bytes.len()).filter(|at| !is_end(*at)).map(|at| bytes[at]).collect()
}

/// Where PostgreSQL's own errors would be shown.
fn queries_are_in_files(desired: &Desired) -> Result<(), TestCaseError> {
    for mart in &desired.marts {
        let characters = mart.mart.query.chars().count();
        for position in [0, 1, 2, characters / 2, characters, characters + 1, usize::MAX] {
            if let Some((file, place)) = mart.place_of(position) {
                let bytes = unix(&std::fs::read(&file).expect("the file of a query"));
                prop_assert_eq!(&*bytes, place.text.as_bytes());
                prop_assert!(place.text.get(place.span.clone()).is_some(), "{position} in {}", file.display());
            } else {
                prop_assert!(position == 0 || position > characters, "{position} of {characters}");
            }
        }
    }
    Ok(())
}

/// One thing that happens to a file; places and lengths are shares of it.
#[derive(Debug, Clone)]
enum Change {
    Insert(f64, &'static str),
    Overwrite(f64, u8),
    Remove(f64, f64),
    Repeat(f64, f64),
    Truncate(f64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |share: &f64| ((bytes.len() as f64) * share) as usize;
        let range = |start: &f64, length: &f64| at(start)..(at(start) + (length * 60.0) as usize).min(bytes.len());
        match self {
            Change::Insert(start, text) => drop(bytes.splice(at(start)..at(start), text.bytes())),
            Change::Overwrite(start, byte) => {
                let start = at(start);
                if let Some(old) = bytes.get_mut(start) {
                    *old = *byte;
                }
            }
            Change::Remove(start, length) => drop(bytes.drain(range(start, length))),
            Change::Repeat(start, length) => {
                let range = range(start, length);
                let copy = bytes[range.clone()].to_vec();
                drop(bytes.splice(range.end..range.end, copy));
            }
            Change::Truncate(start) => bytes.truncate(at(start)),
        }
    }
}

const PIECES: &str = "\" \"\"\" ' ''' \n \r\n \r \t \0 \\ \\u00e9 \\U0001F600 [ ] [[ { } = . , # ñ e\u{301} 😀 \u{feff} \u{202e} -- /* $$ ; ( ) :: \
                      SELECT FROM 0 -1 1e999 99999999999999999999 true inf 1979-05-27 ${X} type refresh columns";

fn change() -> impl Strategy<Value = Change> {
    let share = || 0.0..1.0;
    let pieces: Vec<&str> = PIECES.split(' ').collect();
    prop_oneof![
        4 => (share(), prop::sample::select(pieces)).prop_map(|(at, text)| Change::Insert(at, text)),
        2 => (share(), any::<u8>()).prop_map(|(at, byte)| Change::Overwrite(at, byte)),
        2 => (share(), share()).prop_map(|(at, length)| Change::Remove(at, length)),
        2 => (share(), share()).prop_map(|(at, length)| Change::Repeat(at, length)),
        1 => share().prop_map(Change::Truncate),
    ]
}
