//! The work after Ctrl-C: the statements of a run are cancelled on the servers, and its scratch databases are dropped.

use std::time::Duration;

use anyhow::Result;

use super::scratch;
use crate::connection::session;
use crate::problem::{Code, Exit, Problem};
use crate::target::Target;

/// How long the whole cancellation may take.
const DEADLINE: Duration = Duration::from_secs(15);

/// Ends the sessions of a run and waits until they are gone. Returns the problem that the command ends with.
pub(crate) async fn cancel(targets: &[Target<'_>], run: &str) -> Problem {
    let interrupted = Problem::new(Code::Interrupted, Exit::Interrupted, "Interrupted.");
    let cancelled = tokio::time::timeout(DEADLINE, async {
        for target in targets {
            on_server_of(target, targets, run).await?;
        }
        anyhow::Ok(())
    });
    match cancelled.await {
        Ok(Ok(())) => interrupted.detail("All running statements were cancelled on the server."),
        _ => interrupted
            .detail("The server did not confirm that all statements were cancelled. See what still runs there:")
            .detail(format!("SELECT * FROM pg_stat_activity WHERE application_name = '{run}';")),
    }
}

async fn on_server_of(target: &Target<'_>, targets: &[Target<'_>], run: &str) -> Result<()> {
    let mut connection = session::maintenance(&target.url, session::READER).await?;
    session::end_run(&mut connection, run).await?;
    scratch::sweep(&mut connection, targets).await?;
    session::close(connection).await;
    Ok(())
}
