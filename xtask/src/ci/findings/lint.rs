//! Reads the findings of the tools behind the front door.

use std::path::PathBuf;

use serde::Deserialize;

use super::Found;
use crate::problem::{Code, Problem};

/// A finding of one of the tools behind the front door.
#[derive(Deserialize)]
struct Lint {
    file: PathBuf,
    line: usize,
    column: Option<usize>,
    rule: String,
    message: String,
    #[serde(default)]
    help: Vec<String>,
}

pub(super) fn read(stdout: &str, stderr: &str) -> Found {
    let mut found = Found { text: stderr.to_owned(), ..Found::default() };
    for line in stdout.lines() {
        match serde_json::from_str::<Lint>(line) {
            Ok(lint) => {
                let mut problem = Problem::failed(Code::MigrationFinding, format!("{} [{}]", lint.message, lint.rule));
                problem = problem.at(lint.file, lint.line, lint.column);
                problem.remedies = lint.help;
                found.problems.0.push(problem);
            }
            Err(_) => found.text.push_str(&format!("{line}\n")),
        }
    }
    found
}
