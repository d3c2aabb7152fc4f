//! A step of the pipeline, as data.

use super::checks::Check;
use super::command::CommandLine;
use crate::report::Listed;

/// A step of the pipeline.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// What is known once it has passed.
    pub(crate) proves: &'static str,
    /// What is said while it runs.
    pub(crate) doing: &'static str,
    /// The steps that must have passed before it begins, if they are part of the run. A step that is run alone finds
    /// what it needs by itself.
    pub(crate) needs: &'static [&'static str],
    /// Whether it works in cargo's target folder, where one at a time can.
    pub(crate) compiles: bool,
    /// Whether it works on what is in the databases' files, and so can't begin where one of them can't be read: nothing
    /// would be looked at, and nothing found. `db-setup` reads them by itself.
    pub(crate) reads_migrations: bool,
    pub(crate) work: Work,
}

/// What a step runs.
pub(crate) enum Work {
    /// Programs, one after the other; also after one has failed.
    Commands(Vec<CommandLine>),
    /// A check of this program's own.
    Check(Check),
    /// Nothing, and why.
    Nothing(String),
}

impl Step {
    /// What it runs, as lines that can be pasted into a shell.
    pub(crate) fn command_lines(&self) -> Vec<String> {
        match &self.work {
            Work::Commands(commands) => commands.iter().map(ToString::to_string).collect(),
            Work::Check(Check::DbSetup) => vec!["cargo xtask db-setup --timeout 180".to_owned()],
            Work::Check(Check::Env(Some(check))) => vec![check.to_string(), self.repeat()],
            Work::Check(_) => vec![self.repeat()],
            Work::Nothing(_) => Vec::new(),
        }
    }

    /// As it is listed.
    pub(crate) fn listed(&self) -> Listed {
        let Self { name, proves, needs, work, .. } = self;
        let nothing = if let Work::Nothing(why) = work { Some(why.clone()) } else { None };
        Listed { step: name, proves, needs, runs: self.command_lines(), nothing }
    }

    /// The command that runs this step and no other.
    pub(crate) fn repeat(&self) -> String {
        format!("cargo xtask ci --only {}", self.name)
    }
}
