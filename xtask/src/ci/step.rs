//! A step of the pipeline, as data.

use std::path::PathBuf;

use super::checks::Check;
use super::command::CommandLine;
use super::reads::Reads;
use crate::report::Listed;

/// A step of the pipeline.
pub(crate) struct Step {
    pub(crate) name: String,
    /// The fact that is known once it has passed.
    pub(crate) proves: String,
    /// What it does, for people who wait.
    pub(crate) doing: &'static str,
    /// The steps that must have passed before it begins, if they are part of the run. Without them, a step finds what it
    /// needs by itself.
    pub(crate) needs: &'static [&'static str],
    pub(crate) takes: Takes,
    /// Whether it makes files for the steps that need it.
    pub(crate) serves: bool,
    /// Whether it reads the migration files. Such a step fails if one of the files can't be read. Otherwise it would check
    /// nothing and pass. `db-setup` reads the files by itself.
    pub(crate) reads_migrations: bool,
    pub(crate) work: Work,
}

/// What a step needs while it runs, and other steps need as well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    /// Cargo's target folder, which cargo locks.
    TargetFolder,
    /// All cores. Tests use them all by themselves.
    Cores,
}

impl Takes {
    /// Returns how many steps that take this run at once, if there is a limit. Of two packages with tests, one has work while
    /// the other one waits for its last tests.
    pub(crate) fn at_once(self) -> Option<usize> {
        match self {
            Self::Nothing => None,
            Self::TargetFolder => Some(1),
            Self::Cores => Some(2),
        }
    }
}

/// The work of a step.
pub(crate) enum Work {
    /// Programs, one after the other. The next one runs even if one has failed.
    Commands(Vec<CommandLine>),
    /// A check of this program's own, with what it reads. Without that, its result is never kept.
    Check(Check, Option<Reads>),
    /// Nothing, with the reason.
    Nothing(String),
}

/// A piece of a step's work whose result can be kept.
pub(crate) struct Unit<'a> {
    /// A name that no other piece of work has.
    pub(crate) name: String,
    /// The work, as text.
    pub(crate) what: String,
    pub(crate) reads: &'a Reads,
}

impl Step {
    /// Returns its command lines, ready to be pasted into a shell.
    pub(crate) fn command_lines(&self) -> Vec<String> {
        match &self.work {
            Work::Commands(commands) => commands.iter().map(ToString::to_string).collect(),
            Work::Check(Check::DbSetup, _) => vec!["cargo xtask db-setup --timeout 180".to_owned()],
            Work::Check(Check::Format(format), _) => vec![format.to_string(), self.repeat()],
            Work::Check(Check::Env(Some(check)), _) => vec![check.to_string(), self.repeat()],
            Work::Check(..) => vec![self.repeat()],
            Work::Nothing(_) => Vec::new(),
        }
    }

    /// Returns the pieces of its work whose results can be kept.
    pub(crate) fn units(&self) -> Vec<Unit<'_>> {
        match &self.work {
            Work::Commands(commands) => (0..commands.len()).filter_map(|index| self.unit(index)).collect(),
            _ => self.unit(0).into_iter().collect(),
        }
    }

    /// Returns a piece of its work, if the result of that piece can be kept.
    pub(crate) fn unit(&self, index: usize) -> Option<Unit<'_>> {
        let (what, reads) = match &self.work {
            Work::Commands(commands) => (commands.get(index)?.to_string(), commands.get(index)?.reads()?),
            Work::Check(_, reads) => (self.proves.clone(), reads.as_ref()?),
            Work::Nothing(_) => return None,
        };
        Some(Unit { name: format!("{}.{index}", self.name), what, reads })
    }

    /// Returns the number of the pieces of its work.
    pub(crate) fn pieces(&self) -> usize {
        if let Work::Commands(commands) = &self.work { commands.len() } else { 1 }
    }

    /// Returns whether the version of the databases' server is one of its inputs.
    pub(crate) fn reads_server(&self) -> bool {
        self.units().iter().any(|unit| unit.reads.server)
    }

    /// Returns its entry in the list of steps, with the files that it reads.
    pub(crate) fn listed(&self, reads: Option<Vec<PathBuf>>) -> Listed {
        let Self { name, proves, needs, work, .. } = self;
        let nothing = if let Work::Nothing(why) = work { Some(why.clone()) } else { None };
        let runs = self.command_lines();
        Listed { step: name.clone(), proves: proves.clone(), needs, runs, nothing, reads }
    }

    /// Returns the command that runs only this step.
    pub(crate) fn repeat(&self) -> String {
        format!("cargo xtask ci --only {}", self.name)
    }
}
