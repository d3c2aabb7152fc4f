//! `cargo xtask ci`: everything that CI runs, the same on a laptop and on GitHub.

use anyhow::Result;
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Ending;
use crate::ci::Refusal;
use crate::ci::kept::Kept;
use crate::ci::packages::Packages;
use crate::ci::schedule::Schedule;
use crate::ci::selection::Selection;
use crate::ci::steps::Pipeline;
use crate::cli::{Ci, Cli, Command};
use crate::context::Context;
use crate::problem::{Code, Exit, Problem, Problems};
#[cfg(unix)]
use crate::process::keeper::Keeper;

pub(crate) fn run(options: &Ci, context: Context<'_>) -> Result<Ending> {
    let Ci { only, skip, all, fail_fast, allow_remote, list, explain } = options;
    let Context { workspace, interrupt, .. } = context;
    let packages = Packages::find(&workspace.root, interrupt)?;
    let selection = Selection::new(only, skip, Some(&packages))?;
    let steps = Pipeline { workspace, packages: &packages, selection: &selection, judge }.steps();
    let kept = Kept::of(context, &packages, &steps, *all, *allow_remote)?;
    if *list || *explain {
        let listed: Vec<_> = steps.iter().map(|step| step.listed(kept.files_of(step))).collect();
        context.reporter.steps(&listed, *explain);
        return Ok(Ending::Done(vec!["Nothing was run.".to_owned()]));
    }
    #[cfg(unix)]
    let keeper = Keeper::start();
    let ended = {
        let (fail_fast, allow_remote) = (*fail_fast, *allow_remote);
        Schedule { context, packages: &packages, kept: &kept, fail_fast, allow_remote }.run(&steps)
    };
    #[cfg(unix)]
    keeper.dismiss();
    context.reporter.pipeline(&ended.rows);
    context.interrupt.check()?;
    Ok(if ended.exit == Exit::Done { Ending::Done(Vec::new()) } else { Ending::Code(ended.exit as u8) })
}

/// Tells whether the words behind `cargo xtask` in a workflow ask for the whole pipeline, or why they aren't taken.
fn judge(words: &[String]) -> Result<bool, Vec<Refusal>> {
    let program = "cargo xtask".to_owned();
    let command = match Cli::try_parse_from([&program].into_iter().chain(words)) {
        Ok(cli) => cli.command,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => return Ok(false),
        Err(error) => return Err(vec![refusal(&error)]),
    };
    let Command::Ci(Ci { only, skip, list, explain, .. }) = command else { return Ok(false) };
    let Err(Problems(problems)) = Selection::new(&only, &skip, None) else {
        return Ok(only.is_empty() && skip.is_empty() && !list && !explain);
    };
    let refusal = |problem: Problem| {
        // The name of a step that doesn't exist is the only part in quotation marks.
        let part = problem.what.split('"').nth(1).unwrap_or_default().to_owned();
        Refusal { part, problem: Problem { exit: Exit::Failed, ..problem } }
    };
    Err(problems.into_iter().map(refusal).collect())
}

/// Makes a problem of clap's error, without the usage, and finds the part of the command line that it means.
fn refusal(error: &clap::Error) -> Refusal {
    let kinds = [ContextKind::InvalidSubcommand, ContextKind::InvalidValue, ContextKind::InvalidArg];
    let part = kinds.into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(part)) => Some(part.clone()),
        _ => None,
    });
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let details = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let problem = Problem::failed(Code::Usage, format!("`cargo xtask` doesn't take this: {what}."));
    let problem = problem.details(details.map(str::to_owned)).remedy("What there is: cargo xtask --help");
    Refusal { part: part.unwrap_or_default(), problem }
}
