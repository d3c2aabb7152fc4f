//! A file for each command, which reads as the list of its steps.

mod ci;
mod db_setup;
mod db_stop;
mod db_verify;

use anyhow::{Context as _, Result};

use crate::cli::Command;
use crate::interrupt::Interrupt;
use crate::problem::{Exit, Problems};
use crate::report::Reporter;

/// What every command has at hand.
pub(crate) struct Context<'a> {
    pub(crate) reporter: &'a Reporter,
    pub(crate) interrupt: &'a Interrupt,
}

/// Runs a command to its end, and tells how it ended.
pub(crate) fn run(command: &Command, reporter: &Reporter) -> Exit {
    let name = match command {
        Command::DbSetup(_) => "db-setup",
        Command::DbStop => "db-stop",
        Command::DbVerify(_) => "db-verify",
        Command::Ci => "ci",
    };
    let (exit, next) = match dispatch(command, reporter) {
        Ok(next) => (Exit::Done, next),
        Err(error) => {
            let problems = Problems::of(error);
            reporter.problems(&problems);
            (problems.exit(), Vec::new())
        }
    };
    reporter.finished(name, exit, &next);
    exit
}

/// Returns what may be typed next.
fn dispatch(command: &Command, reporter: &Reporter) -> Result<Vec<String>> {
    let interrupt = &Interrupt::listen()?;
    let context = &Context { reporter, interrupt };
    // One thread is enough: it waits for the servers, which work side by side.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime for connections can't be started")?;
    let result = match command {
        Command::DbSetup(options) => runtime.block_on(db_setup::run(options, context)),
        Command::DbStop => runtime.block_on(db_stop::run(context)),
        Command::DbVerify(options) => runtime.block_on(db_verify::run(options, context)),
        Command::Ci => runtime.block_on(ci::run(context)),
    };
    // A login that was given up may still wait for its server; it isn't waited for.
    runtime.shutdown_background();
    result
}
