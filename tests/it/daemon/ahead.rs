//! What is due soon finds its sessions open.

use super::rig::{Daemon, SESSIONS, numbers, until};

/// Every six seconds: sessions that rest are closed after five.
const EVERY: &[(&str, &str)] = &[
    ("project.toml", "[project]\nname = \"shop\"\n"),
    (
        "every.toml",
        "type = \"table\"\nquery = \"SELECT count(*) AS n FROM numbers\"\n\
         [refresh]\nstrategy = \"scheduled\"\nschedule = \"6s\"\n",
    ),
];

const BEFORE: &str = "SELECT count(*) > 0 FROM datamart.refreshes AS r, pg_stat_activity AS a \
                      WHERE a.datname = current_database() AND a.application_name = 'datamart: refresh 1' \
                      AND r.status = 'success' AND a.backend_start BETWEEN r.due_at - interval '2s' AND r.due_at";

#[test]
fn a_session_is_opened_before_it_is_needed_and_closed_after_it() {
    let rig = numbers(EVERY);
    let daemon = Daemon::of(&rig, &[]);
    until(&rig, BEFORE);
    // The one that leads, and the one that listens.
    until(&rig, &format!("SELECT ({SESSIONS}) = 2"));
    daemon.stopped();
}
