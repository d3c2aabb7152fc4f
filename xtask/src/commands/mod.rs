//! The commands. Each has its own file, which reads as the list of its steps.

mod bench;
mod ci;
mod completions;
mod confirm;
mod db_diagram;
mod db_prepare;
mod db_reset;
mod db_setup;
mod db_shell;
mod db_snapshot;
mod db_status;
mod db_stop;
mod db_url;
mod db_verify;
mod doctor;
mod hooks;
mod migrate;
mod migrate_back;
mod remove_data;
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
        Command::DbStatus(_) => "db-status",
        Command::DbShell(_) => "db-shell",
        Command::DbUrl(_) => "db-url",
        Command::DbStop(_) => "db-stop",
        Command::DbReset(_) => "db-reset",
        Command::DbSnapshot(_) => "db-snapshot",
        Command::DbVerify(_) => "db-verify",
        Command::DbDiagram(_) => "db-diagram",
        Command::DbPrepare(_) => "db-prepare",
        Command::Doctor(_) => "doctor",
        Command::Bench(_) => "bench",
        Command::Ci(_) => "ci",
        Command::Sqlx(_) => "sqlx",
        Command::Migrate(Migrate::Add(_)) => "migrate add",
        Command::Migrate(Migrate::Down(_)) => "migrate down",
        Command::Migrate(Migrate::Redo(_)) => "migrate redo",
        Command::Hooks(Hooks::Install(_)) => "hooks install",
        Command::Completions(_) => "completions",
        Command::Complete(_) => "complete",
    };
    let mut silent = false;
    let (code, next) = match dispatch(cli, reporter) {
        Ok(Ending::Done(next)) => (Exit::Done as u8, next),
        Ok(Ending::Code(code)) => (code, Vec::new()),
        Ok(Ending::Result(code)) => {
            silent = true;
            (code, Vec::new())
        }
        Ok(Ending::PassedOn(code)) => return code,
        Err(error) => {
            let problems = Problems::of(error).with_next_steps();
            reporter.problems(&problems);
            (problems.exit() as u8, see_doctor(&problems))
        }
    };
    reporter.finished(name, code, &next, silent);
    code
}

/// Names the checks of doctor that look more closely at these problems.
fn see_doctor(problems: &Problems) -> Vec<String> {
    let checks = problems.checks();
    if checks.is_empty() {
        return Vec::new();
    }
    vec![format!("To see this machine as a whole: cargo xtask doctor (look at {})", checks.join(" and "))]
}

/// The end of a command that has reported its problems itself.
pub(crate) enum Ending {
    /// The command succeeded. The lines say what to type next.
    Done(Vec<String>),
    /// The command ended with this exit code.
    Code(u8),
    /// The command showed its result, and ended with this exit code. People see nothing else.
    Result(u8),
    /// The command passed on the output of a program, and ended with its exit code. Nothing is added to the output.
    PassedOn(u8),
}

fn dispatch(cli: &Cli, reporter: &Reporter) -> Result<Ending> {
    let context = Context { workspace: &Workspace::find()?, reporter, interrupt: &Interrupt::listen()? };
    match &cli.command {
        Command::DbSetup(options) => wait_for(db_setup::run(options, context)).map(Ending::Done),
        Command::DbStatus(options) => db_status::run(options, context),
        Command::DbShell(options) => db_shell::run(options, context),
        Command::DbUrl(options) => db_url::run(options, context),
        Command::DbStop(options) => wait_for(db_stop::run(options, context)).map(Ending::Done),
        Command::DbReset(options) => wait_for(db_reset::run(options, context)).map(Ending::Done),
        Command::DbSnapshot(options) => wait_for(db_snapshot::run(options, context)).map(Ending::Done),
        Command::DbVerify(options) => wait_for(db_verify::run(options, context)).map(Ending::Done),
        Command::DbDiagram(options) => wait_for(db_diagram::run(options, context)).map(Ending::Done),
        Command::DbPrepare(options) => db_prepare::run(options, context).map(Ending::Done),
        Command::Doctor(options) => doctor::run(options, context),
        Command::Bench(options) => bench::run(options, cli, context),
        Command::Ci(options) => ci::run(options, context),
        Command::Sqlx(options) => wait_for(sqlx::run(options, context)),
        Command::Migrate(Migrate::Add(options)) => migrate::add(options, context).map(Ending::Done),
        Command::Migrate(Migrate::Down(options)) => wait_for(migrate_back::down(options, context)).map(Ending::Done),
        Command::Migrate(Migrate::Redo(options)) => wait_for(migrate_back::redo(options, context)).map(Ending::Done),
        Command::Hooks(Hooks::Install(options)) => hooks::install(options, context).map(Ending::Done),
        Command::Completions(options) => completions::script(options),
        Command::Complete(options) => completions::complete(options, context),
    }
}
