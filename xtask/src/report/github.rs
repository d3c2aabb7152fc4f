//! GitHub's workflow commands: annotations on the line at fault.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use std::io::Write;

use super::pipeline::{Row, markdown};
use crate::problem::Problem;

/// An error annotation, on its file and line where it has one.
pub(super) fn error(problem: &Problem) {
    let mut properties = Vec::new();
    if let Some(location) = &problem.location {
        properties.push(format!("file={}", property(&location.file.to_string_lossy())));
        properties.push(format!("line={}", location.line));
        properties.extend(location.column.map(|column| format!("col={column}")));
    }
    let lines = [&problem.what].into_iter().chain(&problem.details).chain(&problem.remedies);
    let text = lines.map(String::as_str).collect::<Vec<_>>().join("\n");
    command("error", &properties.join(","), &text);
}

/// A warning annotation.
pub(super) fn warning(text: &str) {
    command("warning", "", text);
}

/// What a step of the pipeline ran, folded away below one line, or that line alone.
pub(super) fn group(line: &str, commands: &[String], folded: bool) {
    let mut stderr = std::io::stderr().lock();
    if folded && !commands.is_empty() {
        drop(writeln!(stderr, "::group::{line}\n{}\n::endgroup::", commands.join("\n")));
    } else {
        drop(writeln!(stderr, "{line}"));
    }
}

/// The table on the page of the run.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary>
pub(super) fn summary(rows: &[Row]) {
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY") else { return };
    let written = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| writeln!(file, "### cargo xtask ci\n\n{}", markdown(rows)));
    if let Err(error) = written {
        warning(&format!("The summary can't be written to GITHUB_STEP_SUMMARY: {error}."));
    }
}

fn command(name: &str, properties: &str, text: &str) {
    let space = if properties.is_empty() { "" } else { " " };
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let _ = writeln!(std::io::stdout().lock(), "::{name}{space}{properties}::{text}");
}

fn property(value: &str) -> String {
    value.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A").replace(':', "%3A").replace(',', "%2C")
}
