//! What programs print, made into problems with their place in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::command::Reading;
use crate::problem::Problem;
use crate::problem::Problems;
use crate::process::Ended;

/// What was found in a program's output.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: Problems,
    /// What is not part of a problem.
    pub(super) text: String,
    /// A few words on the whole.
    pub(super) summary: Option<String>,
    /// Programs that were built.
    pub(super) executables: BTreeMap<String, PathBuf>,
}

/// Reads what a program printed.
pub(super) fn read(reading: Reading, root: &Path, ended: &Ended) -> Found {
    let Ended { stdout, stderr, .. } = ended;
    match reading {
        Reading::Text => Found { text: format!("{stdout}{stderr}"), ..Found::default() },
        Reading::Compiler => compiler(stdout, stderr),
        Reading::Format => format(root, stdout, stderr),
        Reading::Tests => tests(stdout, stderr),
        Reading::Findings => lints(stdout, stderr),
    }
}

/// Cargo's messages: <https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages>.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerMessage {
        message: Diagnostic,
    },
    CompilerArtifact {
        target: Target,
        executable: Option<PathBuf>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// rustc's: <https://doc.rust-lang.org/rustc/json.html>.
#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    level: String,
    code: Option<Code>,
    spans: Vec<Span>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: PathBuf,
    line_start: usize,
    column_start: usize,
    is_primary: bool,
}

fn compiler(stdout: &str, stderr: &str) -> Found {
    let mut found = Found { text: stderr.to_owned(), ..Found::default() };
    let mut seen = Vec::new();
    for line in stdout.lines() {
        match serde_json::from_str(line) {
            Ok(Message::CompilerMessage { message }) if message.level.starts_with("error") => {
                // A library and its tests are compiled each: what is in both is found twice.
                let problem = message.problem();
                let text = problem.to_string();
                if let (Some(problem), false) = (message.is_about_code().then_some(problem), seen.contains(&text)) {
                    seen.push(text);
                    found.problems.0.push(problem);
                }
            }
            Ok(Message::CompilerArtifact { target, executable: Some(path) }) if target.kind == ["bin"] => {
                found.executables.insert(target.name, path);
            }
            Ok(_) => {}
            // What a build script or a driver prints besides.
            Err(_) => found.text.push_str(&format!("{line}\n")),
        }
    }
    found
}

impl Diagnostic {
    /// The last messages of a failed crate only count the ones before.
    fn is_about_code(&self) -> bool {
        !self.spans.is_empty() || !self.message.starts_with("aborting due to")
    }

    fn problem(&self) -> Problem {
        let code = self.code.as_ref().map_or_else(String::new, |code| format!(" [{}]", code.code));
        let mut problem = Problem::failed(format!("{}{code}", self.message));
        if let Some(span) = self.spans.iter().find(|span| span.is_primary) {
            problem = problem.at(&span.file_name, span.line_start, Some(span.column_start));
        }
        // The first line says again what the problem is called.
        let rendered = self.rendered.as_deref().unwrap_or_default().trim_end();
        problem.details(rendered.lines().skip(1).map(str::to_owned))
    }
}

/// rustfmt's differences, each below a line `Diff in FILE:LINE:`.
fn format(root: &Path, stdout: &str, stderr: &str) -> Found {
    let mut found = Found { text: stderr.to_owned(), ..Found::default() };
    for line in stdout.lines() {
        let place = line.strip_prefix("Diff in ").and_then(|place| place.trim_end_matches(':').rsplit_once(':'));
        if let Some((file, number)) = place.and_then(|(file, line)| Some((file, line.parse().ok()?))) {
            let file = Path::new(file);
            let file = file.strip_prefix(root).unwrap_or(file);
            found.problems.0.push(Problem::failed("This isn't rustfmt's format.").at(file, number, None));
        } else if let Some(problem) = found.problems.0.last_mut() {
            problem.details.push(line.to_owned());
        } else {
            found.text.push_str(&format!("{line}\n"));
        }
    }
    if let Some(last) = found.problems.0.last_mut() {
        last.remedies.push("To have them all formatted: cargo fmt --all".to_owned());
    }
    found
}

/// Panics with their place, whichever runner it was, and the totals. A run without tests has to be seen as such, and
/// so have the tests that skipped themselves.
fn tests(stdout: &str, stderr: &str) -> Found {
    let mut found = Found { text: format!("{stdout}{stderr}"), ..Found::default() };
    let lines: Vec<&str> = stdout.lines().chain(stderr.lines()).map(str::trim).collect();
    for (at, line) in lines.iter().enumerate() {
        if let Some((test, file, number, column)) = panic_at(line) {
            let message = lines[at + 1..].iter().take_while(|line| !line.is_empty() && !line.starts_with("note: "));
            let message: Vec<&str> = message.copied().collect();
            let first = message.first().copied().unwrap_or("it panicked");
            let problem = Problem::failed(format!("{test} failed: {first}")).at(file, number, Some(column));
            let problem = problem.details(message.iter().skip(1).map(ToString::to_string));
            found.problems.0.push(problem);
        }
    }
    let skipped = lines.iter().filter(|line| line.starts_with("skipped:")).count();
    found.summary = totals(&lines).map(|totals| match skipped {
        0 => totals,
        1 => format!("{totals}; 1 of the passed only said why it skipped itself"),
        many => format!("{totals}; {many} of the passed only said why they skipped themselves"),
    });
    found
}

/// `thread 'NAME' (ID) panicked at FILE:LINE:COLUMN:`, with the number of the thread or without.
fn panic_at(line: &str) -> Option<(&str, &str, usize, usize)> {
    let (test, rest) = line.strip_prefix("thread '")?.split_once('\'')?;
    let (_, place) = rest.split_once("panicked at ")?;
    let mut parts = place.strip_suffix(':')?.rsplitn(3, ':');
    let (column, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((test, parts.next()?, line, column))
}

/// From nextest's `Summary [  1.2s] 3 tests run: 3 passed, 0 skipped` and from
/// `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn totals(lines: &[&str]) -> Option<String> {
    let closing = |line: &&&str| line.starts_with("Summary [") || line.starts_with("test result: ");
    let (mut totals, mut any) = ([0_u64; 3], false);
    for line in lines.iter().filter(closing) {
        any = true;
        let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let at = match pair[1] {
                "passed" => 0,
                "failed" => 1,
                "skipped" | "ignored" => 2,
                _ => continue,
            };
            totals[at] += pair[0].parse::<u64>().unwrap_or(0);
        }
    }
    any.then(|| format!("{} passed, {} failed, {} skipped", totals[0], totals[1], totals[2]))
}

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

fn lints(stdout: &str, stderr: &str) -> Found {
    let mut found = Found { text: stderr.to_owned(), ..Found::default() };
    for line in stdout.lines() {
        match serde_json::from_str::<Lint>(line) {
            Ok(lint) => {
                let mut problem = Problem::failed(format!("{} [{}]", lint.message, lint.rule));
                problem = problem.at(lint.file, lint.line, lint.column);
                problem.remedies = lint.help;
                found.problems.0.push(problem);
            }
            Err(_) => found.text.push_str(&format!("{line}\n")),
        }
    }
    found
}
