//! The steps that this program does by itself.

mod credential;
mod databases;
mod deps;
mod env;
mod format;
mod order;
mod workflow;

use anyhow::Result;

pub(super) use deps::lock_file;
pub(super) use workflow::FOLDER as WORKFLOWS;
pub(crate) use workflow::{Judge, Refusal};

use super::command::CommandLine;
use super::setting::Setting;
use crate::problem::{Code, Problem};
use crate::queries;
use crate::runtime::wait_for;
use crate::setup::Setup;

/// The checks.
pub(crate) enum Check {
    /// Compares the sources with rustfmt's format, with the command that formats what the targets reach.
    Format(Box<CommandLine>),
    /// Sets up the databases, as `cargo xtask db-setup` does.
    DbSetup,
    /// Checks the contract of the settings, with the command that compares it with the program's own settings.
    Env(Option<Box<CommandLine>>),
    /// Applies, reverts and applies each migration.
    Migrations,
    /// Checks the committed schema files, and the catalogs of the live databases if the run has set them up.
    Schema { live: bool },
    /// Checks sqlx's offline data.
    Queries,
    /// Checks the dependencies, with the text of `Cargo.lock` before the first step.
    Deps(Option<String>),
    /// Fails, because no package has a test.
    NoTests,
    /// GitHub's workflows, with the function that judges a command line of this program.
    Workflow(Judge),
}

/// The result of a check that found no problem.
pub(crate) enum Passed {
    /// Everything was checked. A few words say what.
    With(String),
    /// A part couldn't be checked on this machine. The text says which one and why.
    InPart(String),
}

impl Check {
    /// Runs the check.
    ///
    /// # Errors
    /// All problems that it finds.
    pub(super) fn run(&self, setting: &Setting<'_>) -> Result<Passed> {
        match self {
            Self::Format(command) => format::check(command, setting),
            Self::DbSetup => wait_for(set_up(setting)),
            Self::Env(settings_check) => env::check(settings_check.as_deref(), setting),
            Self::Migrations => wait_for(databases::round_trips(setting)),
            Self::Schema { live } => wait_for(databases::schema_files(setting, *live)),
            Self::Queries => queries::check(setting.context, setting.allow_remote).map(Passed::With),
            Self::Deps(lock_file) => deps::check(lock_file.as_deref(), setting),
            Self::NoTests => Err(Problem::failed(
                Code::NoTests,
                "No package of this workspace has a test, so nothing is known about any of them.",
            )
            .remedy("Write the first one: https://doc.rust-lang.org/book/ch11-01-writing-tests.html")
            .into()),
            Self::Workflow(judge) => workflow::check(*judge, setting),
        }
    }
}

async fn set_up(setting: &Setting<'_>) -> Result<Passed> {
    let Setting { context, allow_remote, .. } = *setting;
    let patience = std::time::Duration::from_secs(180);
    // Only the step `schema` reports a stale schema file.
    Setup { allow_remote, accept_stale_file: true, ..Setup::new(context, patience) }.run().await?;
    let names: Vec<_> = context.workspace.databases.iter().map(|database| database.name.as_str()).collect();
    Ok(Passed::With(format!("{} migrated and proven", names.join(" and "))))
}
