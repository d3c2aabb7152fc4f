//! What went wrong, as sentences for somebody who has never seen this project, with the exit code that it leads to.

use std::fmt;

/// The exit codes are those of `cargo xtask`.
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNAVAILABLE: u8 = 6;
const INTERRUPTED: u8 = 130;

/// What may go wrong everywhere.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) exit: u8,
    /// What failed, in one sentence.
    pub(crate) what: String,
    /// What there is to know beyond that, a line each.
    pub(crate) details: Vec<String>,
    /// What mends it: each a sentence or a command to type.
    pub(crate) remedies: Vec<String>,
}

impl Problem {
    fn new(exit: u8, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), details: Vec::new(), remedies: Vec::new() }
    }

    /// A problem that has no exit code of its own.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(FAILED, what)
    }

    /// The command line can't be used.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(USAGE, what)
    }

    /// A server can't be had.
    pub(crate) fn unavailable(what: impl Into<String>) -> Self {
        Self::new(UNAVAILABLE, what)
    }

    /// Somebody pressed Ctrl-C, or asked this program to end in another way.
    pub(crate) fn interrupted() -> Self {
        Self::new(INTERRUPTED, "The benchmarks were interrupted. Everything that they made has been removed.")
    }

    pub(crate) fn is_unavailable(&self) -> bool {
        self.exit == UNAVAILABLE
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

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        self.details.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
        self.remedies.iter().try_for_each(|line| write!(f, "\n  → {line}"))
    }
}

/// An operation of the system or of a library, whose error says what was done to what.
impl From<xshell::Error> for Problem {
    fn from(error: xshell::Error) -> Self {
        Self::failed(format!("The benchmarks can't go on: {error}."))
    }
}

/// Says what could not be done.
pub(crate) trait Context<T> {
    /// `what` is the beginning of a sentence that ends with the error.
    fn context(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Problem::failed(format!("{what}: {error}.")))
    }
}
