//! `cargo xtask db-prepare`: sqlx's offline data made anew, from scratch databases migrated from nothing.

use anyhow::Result;

use super::Context;
use crate::ci::{Setting, queries};
use crate::cli::DbPrepare;
use crate::problem::Problems;
use crate::workspace::Workspace;

/// Returns what may be typed next.
pub(crate) fn run(options: &DbPrepare, context: &Context<'_>) -> Result<Vec<String>> {
    let Context { reporter, interrupt } = context;
    let mut problems = Problems::default();
    let workspace = Workspace::find(&mut problems)?;
    problems.into_result()?;
    let step = reporter.step("queries");
    step.doing("compiling the queries against scratch databases");
    let setting = Setting {
        workspace: &workspace,
        allow_remote: options.allow_remote,
        reporter,
        interrupt,
        built: &Default::default(),
    };
    let done = queries::write(&setting)?;
    if done.is_empty() {
        step.end(crate::report::Outcome::Unchanged, "the data of every query is current");
        return Ok(Vec::new());
    }
    step.end(crate::report::Outcome::Done, &format!("{} files changed", done.len()));
    done.iter().for_each(|line| reporter.note(line));
    Ok(vec!["Next: look at the change, and commit it with the queries.".to_owned()])
}
