//! Drives the real binary on folders of migrations.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod accepted;
mod migrations;
mod usage;

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// What the rules of a first migration are too loud for; most tests are about something else.
const QUIET: &str = "\
[[off]]
rules = [\"require-lock-timeout\", \"require-statement-timeout\", \"prefer-robust-stmts\"]
reason = \"Not what is tested.\"
";

/// A folder with migrations, and a list of what is accepted.
struct Folder(TempDir);

impl Folder {
    /// With a list that switches off what the tests aren't about.
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

    /// The program, for PostgreSQL 15, with this folder's list.
    fn command(&self, files: &[&str]) -> Command {
        let mut command = command(self.path());
        command.args(["--accepted", "accepted.toml"]).args(files);
        command
    }

    /// What is found: `file:line:column rule` of each, in order. The exit code has to fit.
    #[track_caller]
    fn finds(&self, files: &[&str], expected: &[&str]) -> Vec<Value> {
        let findings = findings(self.command(files));
        let short: Vec<_> = findings.iter().map(short).collect();
        assert_eq!(short, expected, "{findings:#?}");
        findings
    }
}

/// The program, for PostgreSQL 15, with neither a list nor files.
fn command(root: &Path) -> Command {
    let mut command = program();
    command.arg("--root").arg(root).args(["--postgres", "15"]);
    command
}

/// The program without arguments.
fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_xtask-migration-lint"))
}

/// The findings, from JSON Lines. Exit code 1 if there are any, else 0; nothing on stderr.
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

/// A finding's help, as one text.
fn help(finding: &Value) -> String {
    finding["help"].as_array().unwrap().iter().map(|help| help.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}
