//! An `apply` that has to wait for a refresh, and what that changes.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use datamart::database::LockSession;

use super::rig::Rig;
use crate::support::database::run;

#[test]
fn a_plan_is_made_again_when_somebody_came_before_its_locks() {
    let rig = Rig::of(&[("x.toml", "type = \"table\"\nquery = \"SELECT 1 AS id\"\n")]);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.write(
        "x.toml",
        "type = \"table\"\nquery = \"SELECT 1 AS id\"\n[[indexes]]\nname = \"x_id\"\ncolumns = [\"id\"]\n",
    );
    let lock = run(async {
        let mut lock =
            LockSession::open(&rig.database.endpoint, "datamart", "default", "refresh").await.expect("a session");
        lock.acquire("mart:public.x", Duration::ZERO).await.expect("a lock");
        lock
    });
    let mut command = rig.command(&["apply", "--auto-approve", "--lock-timeout", "1m"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    while !line.starts_with("Plan: ") {
        line.clear();
        assert!(out.read_line(&mut line).expect("a line") > 0, "it ended without a plan");
    }
    rig.sql("ALTER TABLE x ADD COLUMN more int");
    rig.sql("ALTER TABLE x DROP COLUMN more; COMMENT ON COLUMN x.id IS 'theirs'");
    drop(lock);
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("its output");
    let mut said = String::new();
    child.stderr.take().expect("its errors").read_to_string(&mut said).expect("its errors");
    assert!(child.wait().expect("its end").success(), "{said}{rest}");
    assert!(said.contains("planning again"), "{said}");
    assert_eq!(rig.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'x_id'"), "1");
}
