//! `cargo xtask db-setup`: sets up a fresh clone, until every database is migrated and proven.

use anyhow::Result;

use crate::cli::DbSetup;
use crate::context::Context;
use crate::setup::Setup;

/// Runs the command. Returns lines that say what to type next.
pub(crate) async fn run(options: &DbSetup, context: Context<'_>) -> Result<Vec<String>> {
    let DbSetup { server: choice, timeout: patience, allow_remote, share, offline, dry_run } = *options;
    let setup = Setup { choice, allow_remote, share, offline, ..Setup::new(context, patience) };
    if dry_run {
        setup.plan().await?;
        return Ok(vec!["Nothing was done: this was a dry run.".into()]);
    }
    setup.run().await?;
    Ok(vec![
        "Next: cargo xtask ci           runs everything that CI runs".into(),
        "      cargo xtask db-verify    compares the live schemas with the committed ones".into(),
        "      cargo xtask db-stop      stops the server if db-setup started it, and keeps its data".into(),
    ])
}
