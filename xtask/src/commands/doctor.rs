//! `cargo xtask doctor`: finds out what is wrong on this machine, and says which command mends it.

use anyhow::Result;

use super::Ending;
use crate::cli::Doctor;
use crate::context::Context;
use crate::doctor::{Examined, examine};
use crate::problem::Exit;
use crate::report::Outcome;
use crate::runtime::wait_for;

/// Runs the command.
pub(crate) fn run(options: &Doctor, context: Context<'_>) -> Result<Ending> {
    let mut examined = examine(context, options.timeout)?;
    if options.fix && !examined.fixes.is_empty() {
        mend(&examined, context)?;
        examined = examine(context, options.timeout)?;
    }
    context.reporter.checks(&examined.checks);
    Ok(match examined.exit() {
        Exit::Done => Ending::Done(next(&examined)),
        failed => Ending::Code(failed as u8),
    })
}

/// Does what is safe, and says what it did.
fn mend(examined: &Examined, context: Context<'_>) -> Result<()> {
    for fix in &examined.fixes {
        let step = context.reporter.step("fix");
        let done = wait_for(context.interrupt.guard(fix.apply(context)))?;
        step.end(Outcome::Done, &done);
    }
    Ok(())
}

/// What to type next, on a machine on which db-setup would succeed.
fn next(examined: &Examined) -> Vec<String> {
    let mut next = vec!["Next: cargo xtask db-setup".to_owned()];
    if !examined.fixes.is_empty() {
        next.push("      cargo xtask doctor --fix    puts right what can be put right without a question".to_owned());
    }
    next
}
