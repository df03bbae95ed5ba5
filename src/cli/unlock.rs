//! `unlock`: who holds our locks.

use datamart::database::registry::{self, Owner};
use datamart::database::{ErrorKind, lock};
use serde_json::json;

use super::Exit;
use super::args::{Globals, UnlockArgs};
use super::context::Context;
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::{host, report, who};

/// Lists the holders; ends one only when its pid is given.
pub async fn run(args: &UnlockArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "unlock").await?;
    let schema = context.registry_schema().to_owned();
    let holders = lock::holders(&mut context.conn, &schema).await?;
    let ended = match args.kill {
        Some(pid) => {
            if !lock::terminate(&mut context.conn, &schema, pid).await? {
                return Err(CommandError::input(format!("process {pid} holds no lock of ours"))
                    .help("`datamart unlock` without --kill lists who does"));
            }
            audited(&mut context, pid, style).await;
            Some(pid)
        }
        None => None,
    };
    context.close().await?;
    if style.json() {
        print::json(&json!({ "locks": holders, "ended": ended }));
    } else if let Some(pid) = ended {
        print::out(&format!("Ended the session of process {pid}; its locks are free."));
    } else {
        print::out(&report::runs::locks(&holders, style));
    }
    Ok(Exit::Done)
}

/// The session is ended whatever comes of this; without a registry there is nowhere to write.
async fn audited(context: &mut Context, pid: i32, style: Style) {
    let schema = context.registry_schema().to_owned();
    let by = Owner { project: context.project().to_owned(), who: who(), host: host() };
    let written = registry::audit(&mut context.conn, &schema, &by, "unlock", None, &json!({ "pid": pid })).await;
    if let Err(error) = written
        && error.kind != ErrorKind::Missing
    {
        print::note(style, &format!("warning: cannot write the audit: {error}"));
    }
}
