//! Tests of the real binary on folders of migrations.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod accepted;
mod migrations;
mod reach;
mod usage;

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A list that switches off the rules that nearly every migration breaks. Most tests are about other rules.
const QUIET: &str = "\
[[off]]
rules = [\"require-lock-timeout\", \"require-statement-timeout\", \"prefer-robust-stmts\"]
reason = \"Not what is tested.\"
";

/// A folder with migrations and a list of accepted findings.
struct Folder(TempDir);

impl Folder {
    /// Makes a folder with the list [`QUIET`].
    fn quiet() -> Self {
        Self::with_list(QUIET)
    }

    fn with_list(list: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("accepted.toml", list);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Prepares a run for PostgreSQL 15 with this folder's list.
    fn command(&self, files: &[&str]) -> Command {
        let mut command = command(self.path());
        command.args(["--accepted", "accepted.toml"]).args(files);
        command
    }

    /// Fails unless the findings are exactly these, in this order, each as `file:line:column rule`. Returns them.
    #[track_caller]
    fn finds(&self, files: &[&str], expected: &[&str]) -> Vec<Value> {
        let findings = findings(self.command(files));
        let short: Vec<_> = findings.iter().map(short).collect();
        assert_eq!(short, expected, "{findings:#?}");
        findings
    }
}

/// Prepares a run for PostgreSQL 15 with neither a list nor files.
fn command(root: &Path) -> Command {
    let mut command = program();
    command.arg("--root").arg(root).args(["--postgres", "15"]);
    command
}

/// The program without arguments.
fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_xtask-migration-lint"))
}

/// Runs the program and returns the findings, which it prints as JSON Lines. Fails unless the exit code is 1 if there
/// are findings and 0 if there are none, and stderr is empty.
#[track_caller]
fn findings(mut command: Command) -> Vec<Value> {
    let output = command.args(["--format", "json"]).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let findings: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(output.status.code(), Some(i32::from(!findings.is_empty())), "{out}{err}");
    assert_eq!(err, "");
    findings
}

fn short(finding: &Value) -> String {
    let text = |key: &str| finding[key].as_str().unwrap().to_owned();
    format!("{}:{}:{} {}", text("file"), finding["line"], finding["column"], text("rule"))
}

/// Returns a finding's help as one text.
fn help(finding: &Value) -> String {
    finding["help"].as_array().unwrap().iter().map(|help| help.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}
