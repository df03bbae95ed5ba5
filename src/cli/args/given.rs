//! The arguments before clap reads them: `psql` has its own.

use std::ffi::OsString;

/// Global options of ours that take a value.
const VALUED: [&str; 5] = ["--dir", "--database-url", "--format", "--color", "--config"];

/// The arguments as clap is to read them: behind `psql` stand our long options, then everything is psql's own, its `-v` and `-q` too.
pub fn arguments(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = given.into_iter().collect();
    let ours = |arg: &OsString| VALUED.iter().any(|name| arg == name);
    let with_value = |arg: &OsString| {
        arg.to_str().is_some_and(|arg| {
            VALUED.iter().any(|name| arg.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
        })
    };
    let mut at = 1;
    while args.get(at).is_some_and(|arg| arg.as_encoded_bytes().starts_with(b"-")) {
        at += if ours(&args[at]) { 2 } else { 1 };
    }
    if args.get(at).is_none_or(|arg| arg != "psql") {
        return args;
    }
    at += 1;
    loop {
        match args.get(at) {
            Some(arg) if ours(arg) => at += 2,
            Some(arg) if with_value(arg) => at += 1,
            Some(arg) if arg != "--" && arg != "--help" => break args.insert(at, "--".into()),
            _ => break,
        }
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> String {
        let args = arguments(line.split(' ').map(OsString::from));
        args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_stands_behind_psql_is_its_own() {
        for (line, expected) in [
            ("datamart psql -v x=1", "datamart psql -- -v x=1"),
            (
                "datamart --dir d -q psql --format=json --dir e -q",
                "datamart --dir d -q psql --format=json --dir e -- -q",
            ),
            ("datamart psql -- -c x", "datamart psql -- -c x"),
            ("datamart psql --help", "datamart psql --help"),
            ("datamart psql", "datamart psql"),
            ("datamart stats psql -v", "datamart stats psql -v"),
            ("datamart --dir psql plan -v", "datamart --dir psql plan -v"),
        ] {
            assert_eq!(read(line), expected);
        }
    }
}
