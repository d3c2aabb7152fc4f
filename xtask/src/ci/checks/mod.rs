//! The steps that are this program's own work.

mod databases;
mod deps;
mod env;
mod workflow;

use anyhow::Result;

pub(super) use deps::lock_file;
pub(super) use workflow::FOLDER as WORKFLOWS;
pub(crate) use workflow::{Judge, Refusal};

use super::command::{Built, CommandLine};
use crate::context::Context;
use crate::queries;
use crate::runtime::wait_for;
use crate::server::Choice;
use crate::setup::Setup;

/// What is checked.
pub(crate) enum Check {
    /// The databases are set up, as `cargo xtask db-setup` does it.
    DbSetup,
    /// The contract of the settings; with the command that holds it against the program's own.
    Env(Option<CommandLine>),
    /// Each migration up, down and up again.
    Migrations,
    /// The committed schema files.
    Schema,
    /// sqlx's offline data.
    Queries,
    /// The dependencies, with `Cargo.lock` as it was before any step.
    Deps(Option<String>),
    /// GitHub's workflows, with the function that judges a command line of this program.
    Workflow(Judge),
}

/// How a check ended that found nothing wrong.
pub(crate) enum Passed {
    /// All of it was looked at.
    With(String),
    /// Part of it couldn't be looked at on this machine.
    InPart(String),
}

/// What a check has at hand.
pub(crate) struct Setting<'a> {
    /// Its reporter keeps what is said; that is shown if the step fails.
    pub(crate) context: Context<'a>,
    pub(crate) allow_remote: bool,
    pub(crate) built: &'a Built,
}

impl Check {
    /// Does it.
    ///
    /// # Errors
    /// All that is wrong.
    pub(super) fn run(&self, setting: &Setting<'_>) -> Result<Passed> {
        match self {
            Self::DbSetup => wait_for(set_up(setting)),
            Self::Env(settings_check) => env::check(settings_check.as_ref(), setting),
            Self::Migrations => wait_for(databases::round_trips(setting)),
            Self::Schema => wait_for(databases::schema_files(setting)),
            Self::Queries => queries::check(setting.context, setting.allow_remote).map(Passed::With),
            Self::Deps(lock_file) => deps::check(lock_file.as_deref(), setting),
            Self::Workflow(judge) => workflow::check(*judge, setting),
        }
    }
}

async fn set_up(setting: &Setting<'_>) -> Result<Passed> {
    let Setting { context, allow_remote, .. } = *setting;
    let patience = std::time::Duration::from_secs(180);
    // That a schema file is stale is said by the step `schema` alone.
    Setup { context, choice: Choice::Auto, patience, allow_remote, accept_stale_file: true }.run().await?;
    let names: Vec<_> = context.workspace.databases.iter().map(|database| database.name.as_str()).collect();
    Ok(Passed::With(format!("{} migrated and proven", names.join(" and "))))
}
