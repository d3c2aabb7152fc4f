//! A step of the pipeline, as data.

use super::checks::Check;
use super::command::CommandLine;
use crate::report::Listed;

/// A step of the pipeline.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// The fact that is known once it has passed.
    pub(crate) proves: &'static str,
    /// What it does, for people who wait.
    pub(crate) doing: &'static str,
    /// The steps that must have passed before it begins, if they are part of the run. Without them, a step finds what it
    /// needs by itself.
    pub(crate) needs: &'static [&'static str],
    /// Whether it works in cargo's target folder. One step at a time can do that.
    pub(crate) compiles: bool,
    /// Whether it reads the migration files. Such a step fails if one of the files can't be read. Otherwise it would check
    /// nothing and pass. `db-setup` reads the files by itself.
    pub(crate) reads_migrations: bool,
    pub(crate) work: Work,
}

/// The work of a step.
pub(crate) enum Work {
    /// Programs, one after the other. The next one runs even if one has failed.
    Commands(Vec<CommandLine>),
    /// A check of this program's own.
    Check(Check),
    /// Nothing, with the reason.
    Nothing(String),
}

impl Step {
    /// Returns its command lines, ready to be pasted into a shell.
    pub(crate) fn command_lines(&self) -> Vec<String> {
        match &self.work {
            Work::Commands(commands) => commands.iter().map(ToString::to_string).collect(),
            Work::Check(Check::DbSetup) => vec!["cargo xtask db-setup --timeout 180".to_owned()],
            Work::Check(Check::Env(Some(check))) => vec![check.to_string(), self.repeat()],
            Work::Check(_) => vec![self.repeat()],
            Work::Nothing(_) => Vec::new(),
        }
    }

    /// Returns its entry in the list of steps.
    pub(crate) fn listed(&self) -> Listed {
        let Self { name, proves, needs, work, .. } = self;
        let nothing = if let Work::Nothing(why) = work { Some(why.clone()) } else { None };
        Listed { step: name, proves, needs, runs: self.command_lines(), nothing }
    }

    /// Returns the command that runs only this step.
    pub(crate) fn repeat(&self) -> String {
        format!("cargo xtask ci --only {}", self.name)
    }
}
