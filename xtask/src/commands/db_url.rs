//! `cargo xtask db-url DATABASE`: prints the URL of a database, for other programs.

use anyhow::Result;

use super::Ending;
use crate::cli::DbUrl;
use crate::context::Context;
use crate::env_file;
use crate::problem::Exit;

/// Runs the command.
pub(crate) fn run(options: &DbUrl, context: Context<'_>) -> Result<Ending> {
    let database = context.workspace.database(&options.database)?;
    let target = env_file::target(context.workspace, database)?;
    let url = if options.with_password { target.url.with_password().to_owned() } else { target.url.without_password() };
    context.reporter.url(&database.name, &url);
    Ok(Ending::Result(Exit::Done as u8))
}
