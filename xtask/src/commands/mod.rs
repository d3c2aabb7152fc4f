//! A file for each command, which reads as the list of its steps.

mod bench;
mod ci;
mod db_prepare;
pub(crate) mod db_setup;
mod db_stop;
mod db_verify;
mod migrate;
mod sqlx;

use anyhow::Result;

use crate::cli::{Cli, Command, Migrate};
use crate::interrupt::Interrupt;
use crate::problem::{Exit, Problems};
use crate::report::Reporter;
use crate::runtime::wait_for;

/// What every command has at hand.
pub(crate) struct Context<'a> {
    pub(crate) reporter: &'a Reporter,
    pub(crate) interrupt: &'a Interrupt,
}

/// Runs a command to its end, tells how it ended, and returns the exit code.
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

/// How a command ended that has told its problems.
pub(crate) enum Ending {
    /// All is well, and this may be typed next.
    Done(Vec<String>),
    /// With this exit code.
    Code(u8),
    /// With the exit code of a program whose output was passed on: nothing is added to it.
    PassedOn(u8),
}

fn dispatch(cli: &Cli, reporter: &Reporter) -> Result<Ending> {
    let interrupt = &Interrupt::listen()?;
    let context = &Context { reporter, interrupt };
    match &cli.command {
        Command::DbSetup(options) => wait_for(db_setup::run(options, context)).map(Ending::Done),
        Command::DbStop => wait_for(db_stop::run(context)).map(Ending::Done),
        Command::DbVerify(options) => wait_for(db_verify::run(options, context)).map(Ending::Done),
        Command::DbPrepare(options) => db_prepare::run(options, context).map(Ending::Done),
        Command::Bench(options) => bench::run(options, cli, context),
        Command::Ci(options) => ci::run(options, context),
        Command::Sqlx(options) => wait_for(sqlx::run(options, context)),
        Command::Migrate(Migrate::Add(options)) => migrate::add(options, context).map(Ending::Done),
    }
}
