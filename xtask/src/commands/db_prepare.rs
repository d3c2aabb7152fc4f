//! `cargo xtask db-prepare`: regenerates sqlx's offline data from freshly migrated scratch databases.

use anyhow::Result;

use crate::cli::DbPrepare;
use crate::context::Context;
use crate::queries;
use crate::report::{Outcome, count};

/// Runs the command. Returns lines that say what to type next.
pub(crate) fn run(options: &DbPrepare, context: Context<'_>) -> Result<Vec<String>> {
    context.workspace.wrong_files.clone().into_result()?;
    let step = context.reporter.step("queries");
    step.doing("compiling the queries against scratch databases");
    let done = queries::write(context, options.allow_remote)?;
    if done.is_empty() {
        step.end(Outcome::Unchanged, "the data of every query is current");
        return Ok(Vec::new());
    }
    step.end(Outcome::Done, &format!("{} changed", count(done.len(), "file")));
    done.iter().for_each(|line| context.reporter.note(line));
    Ok(vec!["Next: look at the change, and commit it with the queries.".to_owned()])
}
