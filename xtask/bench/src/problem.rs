//! Problems. Each has sentences for a reader who has never seen this project, and an exit code.

use std::fmt;

/// The exit codes are those of `cargo xtask`.
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNAVAILABLE: u8 = 6;
const INTERRUPTED: u8 = 130;

/// One problem.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) exit: u8,
    /// A sentence that says what failed.
    pub(crate) what: String,
    /// Further facts, one a line.
    pub(crate) details: Vec<String>,
    /// The remedies. Each is a sentence or a command to type.
    pub(crate) remedies: Vec<String>,
}

impl Problem {
    fn new(exit: u8, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), details: Vec::new(), remedies: Vec::new() }
    }

    /// A problem without a special exit code.
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(FAILED, what)
    }

    /// A problem of the command line.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(USAGE, what)
    }

    /// A problem because no server is available.
    pub(crate) fn unavailable(what: impl Into<String>) -> Self {
        Self::new(UNAVAILABLE, what)
    }

    /// The interruption, after the user pressed Ctrl-C or ended this program in another way.
    pub(crate) fn interrupted() -> Self {
        Self::new(INTERRUPTED, "The benchmarks were interrupted. Everything that they made has been removed.")
    }

    /// The problem of an error. Another error becomes a problem with the error and its causes as one sentence.
    pub(crate) fn of(error: anyhow::Error) -> Self {
        error.downcast().unwrap_or_else(|error| Self::failed(format!("{error:#}.")))
    }

    /// Whether the problem is that no server is available.
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

impl std::error::Error for Problem {}
