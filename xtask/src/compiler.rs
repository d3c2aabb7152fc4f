//! The messages of cargo and of the compilers that it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::problem::{Code, Problem, Problems};

/// The outcome of a run of cargo.
#[derive(Default)]
pub(crate) struct Compiled {
    /// The errors of the compilers, each once.
    pub(crate) problems: Problems,
    /// All other output.
    pub(crate) text: String,
    /// The programs that were built, by name.
    pub(crate) executables: BTreeMap<String, PathBuf>,
}

/// Cargo's messages: <https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages>.
#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-message")]
    Said { message: Diagnostic },
    #[serde(rename = "compiler-artifact")]
    Made { target: Target, profile: Profile, executable: Option<PathBuf> },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    /// Set for the tests of a program, which have the program's name as well.
    test: bool,
}

/// A message of rustc: <https://doc.rust-lang.org/rustc/json.html>.
#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    level: String,
    code: Option<ErrorCode>,
    spans: Vec<Span>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct ErrorCode {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: PathBuf,
    line_start: usize,
    column_start: usize,
    is_primary: bool,
    /// The call of the macro that the code comes from.
    expansion: Option<Expansion>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Box<Span>,
}

impl Span {
    /// The place in a file of the workspace. An error inside a macro of another package is reported where the macro is
    /// called. Only the workspace's own files have relative paths.
    fn place(&self) -> &Self {
        match &self.expansion {
            Some(Expansion { span })
                if self.file_name.is_absolute() || self.file_name.to_string_lossy().starts_with('<') =>
            {
                span.place()
            }
            _ => self,
        }
    }
}

/// Reads the output of a cargo that was asked for `--message-format json`.
pub(crate) fn read(stdout: &str, stderr: &str) -> Compiled {
    let mut found = Compiled { text: stderr.to_owned(), ..Compiled::default() };
    let mut seen = Vec::new();
    for line in stdout.lines() {
        match serde_json::from_str(line) {
            Ok(Message::Said { message }) if message.level.starts_with("error") => {
                // A library and its tests are compiled separately, so an error in both is found twice.
                let problem = message.problem();
                let text = problem.to_string();
                if let (Some(problem), false) = (message.is_about_code().then_some(problem), seen.contains(&text)) {
                    seen.push(text);
                    found.problems.0.push(problem);
                }
            }
            Ok(Message::Made { target, profile, executable: Some(path) })
                if target.kind == ["bin"] && !profile.test =>
            {
                found.executables.insert(target.name, path);
            }
            Ok(_) => {}
            // Other lines are output of a build script or a driver.
            Err(_) => found.text.push_str(&format!("{line}\n")),
        }
    }
    found
}

impl Diagnostic {
    /// Returns whether the message is about code. The last message of a failed crate only counts the messages before
    /// it.
    fn is_about_code(&self) -> bool {
        !self.spans.is_empty() || !self.message.starts_with("aborting due to")
    }

    fn problem(&self) -> Problem {
        let code = self.code.as_ref().map_or_else(String::new, |code| format!(" [{}]", code.code));
        let mut problem = Problem::failed(Code::CompileError, format!("{}{code}", self.message));
        if let Some(span) = self.spans.iter().find(|span| span.is_primary).map(Span::place) {
            problem = problem.at(&span.file_name, span.line_start, Some(span.column_start));
        }
        // The first line only repeats the message.
        let rendered = self.rendered.as_deref().unwrap_or_default().trim_end();
        problem.details(rendered.lines().skip(1).map(str::to_owned))
    }
}
