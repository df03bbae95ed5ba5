//! Which server programs a run uses: those of the machine, or with `DATAMART_TEST_PG=16` those that `.ci/postgresql 16`
//! fetched.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the programs that this run is asked to use; `None` leaves it to the product.
pub fn binaries() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| match std::env::var("DATAMART_TEST_PG").as_deref() {
        Ok("") | Err(_) => None,
        Ok(major) => Some(cached(major).unwrap_or_else(|why| panic!("{why}"))),
    });
    found.clone()
}

/// What a command that a test runs is told in `DATAMART_POSTGRES_BIN`.
pub fn of_children() -> Option<PathBuf> {
    binaries().or_else(|| std::env::var_os("DATAMART_POSTGRES_BIN").map(Into::into))
}

/// The programs of a major version in the cache, or why there are none.
pub fn cached(major: &str) -> Result<PathBuf, String> {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/postgresql"));
    let out = command.args(["--bin", major]).output().map_err(|error| format!(".ci/postgresql: {error}"))?;
    match out.status.success() {
        true => Ok(String::from_utf8_lossy(&out.stdout).trim().into()),
        false => Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()),
    }
}
