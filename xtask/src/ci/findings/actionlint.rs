//! The findings of actionlint: <https://github.com/rhysd/actionlint/blob/main/docs/usage.md#format-error-messages>

use std::path::PathBuf;

use serde::Deserialize;

use super::Found;
use crate::problem::{Code, Problem};

#[derive(Deserialize)]
struct Finding {
    message: String,
    filepath: PathBuf,
    line: usize,
    column: usize,
    /// The name of the rule.
    kind: String,
}

pub(super) fn read(stdout: &str, stderr: &str) -> Found {
    match serde_json::from_str::<Vec<Finding>>(stdout) {
        Ok(findings) => {
            let mut found = Found { text: stderr.to_owned(), ..Found::default() };
            found.problems.0.extend(findings.into_iter().map(|finding| {
                let Finding { message, filepath, line, column, kind } = finding;
                Problem::failed(Code::Workflow, format!("{message} [{kind}]")).at(filepath, line, Some(column))
            }));
            found
        }
        Err(_) => Found { text: format!("{stdout}{stderr}"), ..Found::default() },
    }
}
