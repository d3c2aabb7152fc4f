//! Errors, as sentences for a reader who has never seen this project.
//!
//! The code that knows most about an error makes its [`Problem`]. It says what failed and where, what state things are
//! in, and what to type next. It carries the exit code, so that all commands use the same codes.

mod code;
mod entry;
#[cfg(test)]
mod page;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

pub(crate) use self::code::Code;

/// The exit codes, the same for every command. If there are several problems, the command ends with the highest code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// The command did everything that it was asked for.
    Done = 0,
    /// Something failed that has no code of its own.
    Failed = 1,
    /// The command line can't be used. clap uses the same code for the errors that it finds.
    Usage = 2,
    /// Migrations are pending.
    Pending = 3,
    /// The schema differs from the repository.
    SchemaDiffers = 4,
    /// The history of applied migrations differs from the repository: modified, missing or out of order.
    HistoryDiffers = 5,
    /// The server or a database is not available, or it refuses the login.
    Unavailable = 6,
    /// Ctrl-C, or a signal that asks the process to end.
    Interrupted = 130,
}

/// A place in a file. Lines and columns count from one. Columns count characters.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Location {
    /// Relative to the workspace root, if the file lies below it.
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    pub(crate) column: Option<usize>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

/// One error.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    /// What kind of problem it is. `docs/troubleshooting.md` has an entry for each.
    pub(crate) code: Code,
    #[serde(rename = "exit_code", serialize_with = "as_number")]
    pub(crate) exit: Exit,
    /// One sentence that says what failed.
    pub(crate) what: String,
    /// The place, if it is in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<Location>,
    /// More facts, one on each line.
    pub(crate) details: Vec<String>,
    /// The ways to fix it. Each is a sentence or a command to type.
    pub(crate) remedies: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn as_number<S: Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i32(*exit as i32)
}

impl Problem {
    pub(crate) fn new(code: Code, exit: Exit, what: impl Into<String>) -> Self {
        Self { code, exit, what: what.into(), location: None, details: Vec::new(), remedies: Vec::new() }
    }

    /// A problem that has no exit code of its own.
    pub(crate) fn failed(code: Code, what: impl Into<String>) -> Self {
        Self::new(code, Exit::Failed, what)
    }

    /// A problem with the command line.
    pub(crate) fn usage(code: Code, what: impl Into<String>) -> Self {
        Self::new(code, Exit::Usage, what)
    }

    /// A problem with a server or a database that is not available.
    pub(crate) fn unavailable(code: Code, what: impl Into<String>) -> Self {
        Self::new(code, Exit::Unavailable, what)
    }

    /// A file or a folder that can't be read.
    pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::failed(Code::FileUnreadable, format!("{} can't be read: {error}.", path.display())).see_who_may(path)
    }

    /// A file or a folder that can't be written, or its content.
    pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Self {
        Self::failed(Code::FileUnwritable, format!("{} can't be written: {error}.", path.display())).see_who_may(path)
    }

    /// Adds the command that shows who may read and write a file.
    pub(crate) fn see_who_may(self, path: &Path) -> Self {
        self.remedy(format!("See whose it is, and who may use it: ls -ld '{}'", path.display()))
    }

    /// The same as a warning, which stops nothing.
    pub(crate) fn into_warning(mut self) -> Self {
        self.exit = Exit::Done;
        self
    }

    pub(crate) fn at(mut self, file: impl Into<PathBuf>, line: usize, column: Option<usize>) -> Self {
        self.location = Some(Location { file: file.into(), line, column });
        self
    }

    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    pub(crate) fn details(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(lines);
        self
    }

    pub(crate) fn remedy(mut self, line: impl Into<String>) -> Self {
        self.remedies.push(line.into());
        self
    }
}

/// All problems, as one error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    /// Returns `Ok` if there is no problem.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Separates what succeeded from the problems of what failed.
    pub(crate) fn split<T>(results: impl IntoIterator<Item = anyhow::Result<T>>) -> (Vec<T>, Self) {
        let (mut done, mut problems) = (Vec::new(), Self::default());
        for result in results {
            match result {
                Ok(one) => done.push(one),
                Err(error) => problems.0.extend(Self::of(error).0),
            }
        }
        (done, problems)
    }

    /// Returns the problems in an error, or the error itself as one problem.
    pub(crate) fn of(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(problems) => problems,
            Err(error) => match error.downcast::<Problem>() {
                Ok(problem) => Self(vec![problem]),
                Err(error) => Self(vec![Problem::failed(Code::Unexpected, sentence(&error))]),
            },
        }
    }

    /// The same problems, each with a next step. A problem that names none gets the one of its word, unless a later problem
    /// with the same word names one for both.
    pub(crate) fn with_next_steps(mut self) -> Self {
        let mut words = Vec::new();
        for problem in self.0.iter_mut().rev() {
            let Problem { code, remedies, .. } = problem;
            if remedies.is_empty() && !words.contains(code) {
                remedies.push(code.entry().then.to_owned());
            }
            words.push(*code);
        }
        self
    }

    /// The checks of doctor that find such problems, each once.
    pub(crate) fn checks(&self) -> Vec<&'static str> {
        let mut checks: Vec<_> = self.0.iter().filter_map(|problem| problem.code.entry().check).collect();
        checks.sort_unstable();
        checks.dedup();
        checks
    }

    /// The highest of the exit codes.
    pub(crate) fn exit(&self) -> Exit {
        self.0.iter().map(|problem| problem.exit).max().unwrap_or(Exit::Done)
    }
}

/// An error with its causes, as one sentence.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = format!("{error:#}");
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{}", self.what)?;
        for line in self.details.iter().flat_map(|detail| detail.lines()) {
            write!(f, "\n    {line}")?;
        }
        for line in self.remedies.iter().flat_map(|remedy| remedy.lines()) {
            write!(f, "\n  → {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
impl std::error::Error for Problems {}
