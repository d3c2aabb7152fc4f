//! A checkout, and the program's answer.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A workflow in which nothing is wrong; further steps can be added at its end.
pub(crate) const SOUND: &str = "\
name: ci
on:
  pull_request:
permissions:
  contents: read
jobs:
  ci:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: cargo xtask ci
";

/// A full commit.
pub(crate) const COMMIT: &str = "3d3c42e5aac5ba805825da76410c181273ba90b1";

/// Where a workflow usually is.
pub(crate) const CI: &str = ".github/workflows/ci.yml";

/// A checkout in a temporary folder.
pub(crate) struct Checkout(TempDir);

impl Checkout {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, file: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// The program, with steps and commands as `cargo xtask` would hand them over.
    pub(crate) fn command(&self) -> Command {
        let mut command = program();
        command.arg("--root").arg(self.root());
        command.args(["--steps", "format,lint,db-setup,test", "--commands", "ci,db-setup,db-stop"]);
        command
    }

    /// Every finding: its file, line, column and rule, in the order of the output.
    pub(crate) fn findings(&self) -> Vec<(String, u64, u64, String)> {
        let output = self.command().args(["--format", "json"]).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        let lines = String::from_utf8(output.stdout).unwrap();
        let found: Vec<_> = lines.lines().map(|line| finding(&serde_json::from_str(line).unwrap())).collect();
        assert_eq!(output.status.code(), Some(i32::from(!found.is_empty())), "{lines}");
        found
    }
}

/// The program without arguments.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_xtask-workflow-lint"))
}

fn finding(line: &Value) -> (String, u64, u64, String) {
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    assert!(text("message").ends_with('.'), "no sentence: {line}");
    assert!(line["help"].as_array().unwrap().iter().all(Value::is_string), "{line}");
    (text("file"), line["line"].as_u64().unwrap(), line["column"].as_u64().unwrap(), text("rule"))
}

/// Takes the marks out of a text. Returns what is left, and the line, column and rule of each.
pub(crate) fn unmarked(marked: &str) -> (String, Vec<(u64, u64, String)>) {
    let (mut text, mut expected) = (String::new(), Vec::new());
    let mut rest = marked;
    while let Some((before, behind)) = rest.split_once('«') {
        let (rule, behind) = behind.split_once('»').unwrap();
        text.push_str(before);
        let line = text.matches('\n').count() as u64 + 1;
        let column = text.rsplit('\n').next().unwrap().chars().count() as u64 + 1;
        expected.push((line, column, rule.to_owned()));
        rest = behind;
    }
    text.push_str(rest);
    (text, expected)
}

/// Finds what is marked in these files, and nothing else; also if all lines end with CRLF.
#[track_caller]
pub(crate) fn finds(files: &[(&str, &str)]) {
    for line_end in ["\n", "\r\n"] {
        let checkout = Checkout::new();
        let mut expected = Vec::new();
        for (file, marked) in files {
            let (text, marks) = unmarked(marked);
            checkout.write(file, text.replace('\n', line_end));
            expected.extend(marks.into_iter().map(|(line, column, rule)| ((*file).to_owned(), line, column, rule)));
        }
        expected.sort();
        assert_eq!(checkout.findings(), expected, "with {line_end:?} in {files:#?}");
    }
}

/// Finds what is marked in a workflow, and nothing else.
#[track_caller]
pub(crate) fn finds_in_workflow(marked: &str) {
    finds(&[(CI, marked)]);
}

/// Finds what is marked in steps that are added to a sound workflow, and nothing else.
#[track_caller]
pub(crate) fn finds_in_steps(marked: &str) {
    finds_in_workflow(&format!("{SOUND}{marked}"));
}
