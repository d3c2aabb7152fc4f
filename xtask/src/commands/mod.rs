//! The commands. Each has its own file, which reads as the list of its steps.

mod bench;
mod ci;
mod db_prepare;
mod db_setup;
mod db_stop;
mod db_verify;
mod hooks;
mod migrate;
mod sqlx;

use anyhow::Result;

use crate::cli::{Cli, Command, Hooks, Migrate};
use crate::context::Context;
use crate::interrupt::Interrupt;
use crate::problem::{Exit, Problems};
use crate::report::Reporter;
use crate::runtime::wait_for;
use crate::workspace::Workspace;

/// Runs a command to its end, reports the result, and returns the exit code.
pub(crate) fn run(cli: &Cli, reporter: &Reporter) -> u8 {
    let name = match &cli.command {
        Command::DbSetup(_) => "db-setup",
        Command::DbStop => "db-stop",
        Command::DbVerify(_) => "db-verify",
        Command::DbPrepare(_) => "db-prepare",
        Command::Bench(_) => "bench",
        Command::Ci(_) => "ci",
        Command::Sqlx(_) => "sqlx",
        Command::Migrate(Migrate::Add(_)) => "migrate add",
        Command::Hooks(Hooks::Install(_)) => "hooks install",
    };
    let (code, next) = match dispatch(cli, reporter) {
        Ok(Ending::Done(next)) => (Exit::Done as u8, next),
        Ok(Ending::Code(code)) => (code, Vec::new()),
        Ok(Ending::PassedOn(code)) => return code,
        Err(error) => {
            let problems = Problems::of(error);
            reporter.problems(&problems);
            (problems.exit() as u8, Vec::new())
        }
    };
    reporter.finished(name, code, &next);
    code
}

/// The end of a command that has reported its problems itself.
pub(crate) enum Ending {
    /// The command succeeded. The lines say what to type next.
    Done(Vec<String>),
    /// The command ended with this exit code.
    Code(u8),
    /// The command passed on the output of a program, and ended with its exit code. Nothing is added to the output.
    PassedOn(u8),
}

fn dispatch(cli: &Cli, reporter: &Reporter) -> Result<Ending> {
    let context = Context { workspace: &Workspace::find()?, reporter, interrupt: &Interrupt::listen()? };
    match &cli.command {
        Command::DbSetup(options) => wait_for(db_setup::run(options, context)).map(Ending::Done),
        Command::DbStop => wait_for(db_stop::run(context)).map(Ending::Done),
        Command::DbVerify(options) => wait_for(db_verify::run(options, context)).map(Ending::Done),
        Command::DbPrepare(options) => db_prepare::run(options, context).map(Ending::Done),
        Command::Bench(options) => bench::run(options, cli, context),
        Command::Ci(options) => ci::run(options, context),
        Command::Sqlx(options) => wait_for(sqlx::run(options, context)),
        Command::Migrate(Migrate::Add(options)) => migrate::add(options, context).map(Ending::Done),
        Command::Hooks(Hooks::Install(options)) => hooks::install(options, context).map(Ending::Done),
    }
}
