//! After Ctrl-C: what a run has under way on the servers is cancelled, and its scratch databases are dropped.

use std::time::Duration;

use anyhow::Result;

use super::{scratch, session};
use crate::database_url::DatabaseUrl;
use crate::problem::{Exit, Problem};

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(15);

/// Ends the sessions of a run and waits until they are gone. Returns the problem to end the command with.
pub(crate) async fn cancel(urls: &[DatabaseUrl], run: &str) -> Problem {
    let interrupted = Problem::new(Exit::Interrupted, "Interrupted.");
    let cancelled = tokio::time::timeout(DEADLINE, async {
        for url in urls {
            on_server_of(url, urls, run).await?;
        }
        anyhow::Ok(())
    });
    match cancelled.await {
        Ok(Ok(())) => interrupted.detail("What was under way was cancelled on the server."),
        _ => interrupted
            .detail("The server did not confirm that what was under way is cancelled. What still runs there:")
            .detail(format!("SELECT * FROM pg_stat_activity WHERE application_name = '{run}';")),
    }
}

async fn on_server_of(url: &DatabaseUrl, urls: &[DatabaseUrl], run: &str) -> Result<()> {
    let mut connection = session::maintenance(url, session::READER).await?;
    session::end_run(&mut connection, run).await?;
    scratch::sweep(&mut connection, urls).await?;
    session::close(connection).await;
    Ok(())
}
