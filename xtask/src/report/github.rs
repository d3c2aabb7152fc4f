//! GitHub's workflow commands: annotations on the line at fault.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use std::io::Write;

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

fn command(name: &str, properties: &str, text: &str) {
    let space = if properties.is_empty() { "" } else { " " };
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let _ = writeln!(std::io::stdout().lock(), "::{name}{space}{properties}::{text}");
}

fn property(value: &str) -> String {
    value.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A").replace(':', "%3A").replace(',', "%2C")
}
