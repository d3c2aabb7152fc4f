//! `cargo xtask ci`: everything that CI runs, the same on a laptop and on GitHub.

use anyhow::Result;

use super::Ending;
use crate::ci::schedule::Schedule;
use crate::ci::selection::Selection;
use crate::ci::step::Step;
use crate::ci::steps::Pipeline;
use crate::cli::Ci;
use crate::context::Context;
use crate::problem::Exit;

pub(crate) fn run(options: &Ci, context: Context<'_>) -> Result<Ending> {
    let Ci { only, skip, fail_fast, allow_remote, list, explain } = options;
    let selection = Selection::new(only, skip)?;
    let steps = Pipeline { workspace: context.workspace, selection: &selection }.steps();
    if *list || *explain {
        let listed: Vec<_> = steps.iter().map(Step::listed).collect();
        context.reporter.steps(&listed, *explain);
        return Ok(Ending::Done(vec!["Nothing was run.".to_owned()]));
    }
    let ended = Schedule { context, fail_fast: *fail_fast, allow_remote: *allow_remote }.run(&steps);
    context.reporter.pipeline(&ended.rows);
    context.interrupt.check()?;
    Ok(if ended.exit == Exit::Done { Ending::Done(Vec::new()) } else { Ending::Code(ended.exit as u8) })
}
