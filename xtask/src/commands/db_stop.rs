//! `cargo xtask db-stop`: stops the server that db-setup started, and keeps its data unless it is asked to remove it.

use anyhow::Result;

use super::remove_data;
use crate::checkout::CheckoutLock;
use crate::cli::DbStop;
use crate::context::Context;
use crate::report::Outcome;
use crate::server::compose::Compose;
#[cfg(unix)]
use crate::server::local::Cluster;
use crate::server::{Provider, Record, compose, has_cluster};

/// How long this run waits for another run in this checkout.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs the command. Returns lines that say what to type next.
pub(crate) async fn run(options: &DbStop, context: Context<'_>) -> Result<Vec<String>> {
    if options.remove_data {
        return remove_data::run(options.yes, PATIENCE, context).await;
    }
    // The server can be stopped even if the migration files have problems.
    let Context { workspace, reporter, interrupt } = context;
    let root = workspace.root.as_path();
    let step = reporter.step("server");
    let record = Record::read(root);
    if !record.has_project() && !has_cluster(root) {
        step.end(Outcome::Unchanged, "db-setup has started no server for this checkout, so no server was stopped");
        return Ok(Vec::new());
    }
    let _lock = CheckoutLock::take(root, PATIENCE, reporter, interrupt)?;
    let mut stopped = Vec::new();
    #[cfg(unix)]
    {
        let cluster = Cluster::locate(root)?;
        if cluster.stop(interrupt).await? {
            stopped.push(format!("the private cluster is stopped, and its data stays in {}", cluster.dir().display()));
        }
    }
    let mut unknown = None;
    if record.has_project() {
        match Compose::find(root, PATIENCE, interrupt)? {
            Ok(compose) => match compose.stop(interrupt) {
                Ok(true) => stopped.push("the container is stopped, and its volume is kept".to_owned()),
                Ok(false) => {}
                Err(error) => unknown = Some(error),
            },
            // A checkout whose databases are elsewhere has hardly left a container behind.
            Err(unusable) if !unusable.runs_nothing && matches!(record.uses, None | Some(Provider::Compose)) => {
                unknown = Some(compose::not_stopped(&record.project(root), unusable).into());
            }
            Err(unusable) => {
                reporter.warning(&format!("Docker could not be asked about a container: {}.", unusable.why));
            }
        }
    }
    match (stopped.is_empty(), unknown) {
        (true, Some(error)) => return Err(error),
        (true, None) => step.end(Outcome::Unchanged, "no server of this checkout was running"),
        (false, unknown) => {
            step.end(Outcome::Done, &stopped.join(", "));
            unknown.map_or(Ok(()), Err)?;
        }
    }
    Ok(vec!["Start it again: cargo xtask db-setup".into()])
}
