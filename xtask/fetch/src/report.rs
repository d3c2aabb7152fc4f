//! What the caller is told: one JSON object on each line of the output.

use std::io::Write;

use serde::Serialize;

/// A line of the output.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Line<'a> {
    /// The work that goes on now.
    Doing(&'a str),
    /// A fact worth knowing.
    Note(&'a str),
    /// The end of a run that failed.
    Failed(&'a Failure),
}

/// The reason why nothing was fetched.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Failure {
    /// One sentence that says what failed.
    pub(crate) what: String,
    /// More facts, one sentence each.
    pub(crate) details: Vec<String>,
    /// The ways out. Each is a sentence, or a command to type.
    pub(crate) remedies: Vec<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    pub(crate) fn remedy(mut self, line: impl Into<String>) -> Self {
        self.remedies.push(line.into());
        self
    }
}

pub(crate) fn doing(what: &str) {
    show(&Line::Doing(what));
}

pub(crate) fn note(text: &str) {
    show(&Line::Note(text));
}

pub(crate) fn failed(failure: &Failure) {
    show(&Line::Failed(failure));
}

/// If the reader of the output is gone, the work goes on without it.
fn show(line: &Line<'_>) {
    if let Ok(text) = serde_json::to_string(line) {
        let mut out = std::io::stdout().lock();
        drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    }
}

/// A number of bytes in megabytes, as people read it: `13.6`.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{}.{}", (bytes + 50_000) / 1_000_000, (bytes + 50_000) / 100_000 % 10)
}
