//! `cargo xtask db-stop`: stops the server that db-setup started, and keeps its data.

use anyhow::Result;

use crate::checkout::CheckoutLock;
use crate::context::Context;
use crate::report::Outcome;
use crate::server::compose::Compose;
#[cfg(unix)]
use crate::server::local::Cluster;
use crate::server::{Record, has_cluster};

/// How long this run waits for another run in this checkout.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs the command. Returns lines that say what to type next.
pub(crate) async fn run(context: Context<'_>) -> Result<Vec<String>> {
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
    if record.has_project() {
        match Compose::find(root, PATIENCE, interrupt)? {
            Ok(compose) => {
                if compose.stop(interrupt)? {
                    stopped.push("the container is stopped, and its volume is kept".to_owned());
                }
            }
            Err(unusable) => {
                reporter.warning(&format!("Docker could not be asked about a container: {}.", unusable.why));
            }
        }
    }
    if stopped.is_empty() {
        step.end(Outcome::Unchanged, "no server of this checkout was running");
    } else {
        step.end(Outcome::Done, &stopped.join(", "));
    }
    Ok(vec!["Start it again: cargo xtask db-setup".into()])
}
