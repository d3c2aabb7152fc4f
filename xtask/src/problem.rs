//! What went wrong, as sentences for somebody who has never seen this project.
//!
//! A [`Problem`] is made where the knowledge is: what failed and where, what state things are in, and what to
//! type next. It carries the exit code, so that every command answers alike.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// The exit codes, the same for every command. When several problems are met, the highest one is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Everything asked for is done.
    Done = 0,
    /// Something failed that has no code of its own.
    Failed = 1,
    /// The command line can't be used. What the command line's own rules find, clap answers with the same code.
    Usage = 2,
    /// Migrations are pending.
    Pending = 3,
    /// The schema is not what the repository says.
    SchemaDiffers = 4,
    /// The history of applied migrations is not what the repository says: modified, missing or out of order.
    HistoryDiffers = 5,
    /// The server or a database is not there, or does not let us in.
    Unavailable = 6,
    /// Ctrl-C, or a signal that asks to end.
    Interrupted = 130,
}

/// A place in a file. Line and column count from one, the column in characters.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Location {
    /// Relative to the workspace root where it lies below it.
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

/// One thing that is wrong.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "exit_code", serialize_with = "as_number")]
    pub(crate) exit: Exit,
    /// What failed, in one sentence.
    pub(crate) what: String,
    /// Where, if it is in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<Location>,
    /// What there is to know beyond that, a line each.
    pub(crate) details: Vec<String>,
    /// What mends it: each a sentence or a command to type.
    pub(crate) remedies: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn as_number<S: Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i32(*exit as i32)
}

impl Problem {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), location: None, details: Vec::new(), remedies: Vec::new() }
    }

    /// A problem that has no exit code of its own.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what)
    }

    /// The command line can't be used.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The server or a database is not there.
    pub(crate) fn unavailable(what: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, what)
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

/// Everything that is wrong, as one error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    /// `Ok` if there is none.
    pub(crate) fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// What an error says: its problems, or the error itself as one.
    pub(crate) fn of(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(problems) => problems,
            Err(error) => match error.downcast::<Problem>() {
                Ok(problem) => Self(vec![problem]),
                Err(error) => Self(vec![Problem::failed(sentence(&error))]),
            },
        }
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
