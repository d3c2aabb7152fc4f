//! Events for GitHub's runner: plain lines, and between them its workflow commands. These make annotations on the line
//! at fault, and fold the command lines of steps that passed. The table of the steps goes to the summary of the run.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use std::io::Write;

use super::event::{Event, Outcome};
use super::foreign::{in_one_line, visible};
use super::pipeline::{Row, markdown};
use super::text::Text;
use crate::problem::{Exit, Problem};

/// Shows events on GitHub.
pub(super) struct GitHub {
    /// Shows the plain lines.
    text: Text,
}

impl GitHub {
    pub(super) fn new() -> Self {
        Self { text: Text::for_runner() }
    }

    pub(super) fn show(&self, event: &Event<'_>) {
        match event {
            Event::Ended { row, commands } => return group(row, commands),
            Event::Warning { text } => command("warning", "", text),
            Event::Problem { problem, .. } => annotation(problem),
            Event::Checks { checks } => checks.iter().flat_map(|checked| &checked.problems).for_each(annotation),
            Event::Status { status, brief: false } => status.problems().for_each(annotation),
            Event::Pipeline { steps } => summary(steps),
            _ => {}
        }
        self.text.show(event);
    }
}

/// An annotation, on its file and line where it has one.
fn annotation(problem: &Problem) {
    let mut properties = Vec::new();
    if let Some(location) = &problem.location {
        properties.push(format!("file={}", property(&location.file.to_string_lossy())));
        properties.push(format!("line={}", location.line));
        properties.extend(location.column.map(|column| format!("col={column}")));
    }
    properties.push(format!("title={}", property(problem.code.entry().word)));
    let lines = [&problem.what].into_iter().chain(&problem.details).chain(&problem.remedies);
    let text = lines.map(String::as_str).collect::<Vec<_>>().join("\n");
    let name = if problem.exit == Exit::Done { "warning" } else { "error" };
    command(name, &properties.join(","), &text);
}

/// Shows the line of a step that ended. The command lines of a step that passed are folded below that line. GitHub
/// hides the contents of a folded group, so a step that failed isn't folded.
fn group(row: &Row, commands: &[String]) {
    let line = in_one_line(&row.line());
    let mut stderr = std::io::stderr().lock();
    if row.outcome != Outcome::Failed && !commands.is_empty() {
        drop(writeln!(stderr, "::group::{line}\n{}\n::endgroup::", commands.join("\n")));
    } else {
        drop(writeln!(stderr, "{line}"));
    }
}

/// Writes the table to the page of the run.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary>
fn summary(rows: &[Row]) {
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY") else { return };
    let written = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| writeln!(file, "### cargo xtask ci\n\n{}", markdown(rows)));
    if let Err(error) = written {
        command("warning", "", &format!("The summary can't be written to GITHUB_STEP_SUMMARY: {error}."));
    }
}

/// Writes a command of ours. It is on stderr, because a command on the other stream could come between lines that the
/// runner must not obey, and would be lost.
fn command(name: &str, properties: &str, text: &str) {
    let space = if properties.is_empty() { "" } else { " " };
    let text = visible(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let _ = writeln!(std::io::stderr().lock(), "::{name}{space}{properties}::{text}");
}

fn property(value: &str) -> String {
    value.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A").replace(':', "%3A").replace(',', "%2C")
}
