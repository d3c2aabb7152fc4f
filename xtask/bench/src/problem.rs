//! What went wrong, as sentences for somebody who has never seen this project, with the exit code that it leads to.

use std::fmt;

/// The exit codes are those of `cargo xtask`.
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNAVAILABLE: u8 = 6;
const INTERRUPTED: u8 = 130;

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

    /// What an error says: its problem, or the error itself with its causes, as one sentence.
    pub(crate) fn of(error: anyhow::Error) -> Self {
        error.downcast().unwrap_or_else(|error| Self::failed(format!("{error:#}.")))
    }

    /// Whether a server can't be had.
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
