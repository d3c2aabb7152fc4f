//! The steps that are this program's own work.

mod databases;
mod deps;
mod env;

use anyhow::Result;

pub(super) use databases::scratch_urls;
pub(super) use deps::lock_file;

use super::command::{Built, CommandLine};
use crate::cli::DbSetup;
use crate::commands::{Context, db_setup};
use crate::interrupt::Interrupt;
use crate::report::Reporter;
use crate::runtime::wait_for;
use crate::server::Choice;
use crate::workspace::Workspace;

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
    pub(crate) workspace: &'a Workspace,
    pub(crate) allow_remote: bool,
    /// Keeps what is said; it is shown if the step fails.
    pub(crate) reporter: &'a Reporter,
    pub(crate) interrupt: &'a Interrupt,
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
            Self::Queries => super::queries::check(setting),
            Self::Deps(lock_file) => deps::check(lock_file.as_deref(), setting),
        }
    }
}

async fn set_up(setting: &Setting<'_>) -> Result<Passed> {
    let options = DbSetup {
        server: Choice::Auto,
        timeout: std::time::Duration::from_secs(180),
        dry_run: false,
        allow_remote: setting.allow_remote,
        // The step `schema` says so, and only it.
        accept_stale_file: true,
    };
    db_setup::run(&options, &Context { reporter: setting.reporter, interrupt: setting.interrupt }).await?;
    let names: Vec<_> = setting.workspace.databases.iter().map(|database| database.name.as_str()).collect();
    Ok(Passed::With(format!("{} migrated and proven", names.join(" and "))))
}
