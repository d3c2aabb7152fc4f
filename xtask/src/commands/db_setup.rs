//! `cargo xtask db-setup`: from a fresh clone to every database migrated and proven.

use anyhow::Result;

use crate::cli::DbSetup;
use crate::context::Context;
use crate::setup::Setup;

/// Returns what may be typed next.
pub(crate) async fn run(options: &DbSetup, context: Context<'_>) -> Result<Vec<String>> {
    let DbSetup { server: choice, timeout: patience, allow_remote, dry_run } = *options;
    let setup = Setup { context, choice, patience, allow_remote, accept_stale_file: false };
    if dry_run {
        setup.plan().await?;
        return Ok(vec!["Nothing was done: this was a dry run.".into()]);
    }
    setup.run().await?;
    Ok(vec![
        "Next: cargo xtask ci           everything that CI runs".into(),
        "      cargo xtask db-verify    the live schemas against the committed ones".into(),
        "      cargo xtask db-stop      stop the server, if db-setup started it; the data is kept".into(),
    ])
}
