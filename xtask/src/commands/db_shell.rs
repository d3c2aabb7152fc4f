//! `cargo xtask db-shell [DATABASE] [-- ARGS…]`: psql in one of the databases.
//!
//! psql takes the place of this program, so Ctrl-C, the terminal and the exit code are psql's own.

use anyhow::{Context as _, Result};

use super::Ending;
use crate::cli::DbShell;
use crate::context::Context;
use crate::env_file;
use crate::server::psql::Psql;

/// Runs psql. Returns only if that isn't possible.
pub(crate) fn run(options: &DbShell, context: Context<'_>) -> Result<Ending> {
    let workspace = context.workspace;
    let database = match &options.database {
        Some(name) => workspace.database(name)?,
        None => workspace.databases.first().context("the workspace has no database")?,
    };
    let target = env_file::target(workspace, database)?;
    let anyway = format!("cargo xtask db-shell --allow-remote {}", database.name);
    target.refuse_remote(options.allow_remote, "psql", &anyway)?;
    Psql::find(&target.url, context)?.become_shell(&target.url, &options.args)
}
