//! The step `workflow`. zizmor and actionlint check GitHub's workflows, and our own check reads their calls of this
//! program.

mod calls;
mod shell;
mod yaml;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Passed, Setting};
use crate::ci::command::{CommandLine, Printed, Reading};
use crate::ci::machine;
use crate::problem::{Problem, Problems};

/// The folder in which GitHub looks for workflows.
pub(in crate::ci) const FOLDER: &str = ".github/workflows";

/// A function that reads the words after `cargo xtask`. It tells whether they ask for the whole pipeline, or why they
/// are refused. The definition of the command line belongs to a higher layer, which passes this function in.
pub(crate) type Judge = fn(&[String]) -> Result<bool, Vec<Refusal>>;

/// A reason why a command line is refused.
pub(crate) struct Refusal {
    /// The part of the command line that is wrong. It is empty if no single part is wrong.
    pub(crate) part: String,
    pub(crate) problem: Problem,
}

/// The longest time for a linter. Both linters work offline, on small files.
const DEADLINE: Duration = Duration::from_secs(5 * 60);

/// A linter that other people keep.
struct Linter {
    name: &'static str,
    /// The only version that is run. Another version would have other findings, so a laptop and CI would disagree.
    version: &'static str,
    /// The command that installs the linter, without the version at its end.
    install: &'static str,
    args: &'static str,
    reading: Reading,
}

/// `.github/workflows/ci.yml` and `.ci/run` have the same versions. A test compares them.
const LINTERS: [Linter; 2] = [
    Linter {
        name: "zizmor",
        version: "1.32.0",
        install: "pipx install --force zizmor==",
        // Without the last option, a workflow that zizmor can't read would pass.
        args: "--offline --quiet --no-progress --strict-collection .",
        reading: Reading::Zizmor,
    },
    Linter {
        name: "actionlint",
        version: "1.7.12",
        install: "go install github.com/rhysd/actionlint/cmd/actionlint@v",
        // Without these options, actionlint runs shellcheck and pyflakes where they are installed, in any version.
        args: "-no-color -shellcheck= -pyflakes= --",
        reading: Reading::Actionlint,
    },
];

/// Our own check runs on every machine, and the linters run where they are installed.
pub(super) fn check(judge: Judge, setting: &Setting<'_>) -> Result<Passed> {
    let files = files(&setting.context.workspace.root)?;
    if files.is_empty() {
        return Ok(Passed::InPart(format!("there is no workflow in {FOLDER}")));
    }
    let mut calls = calls::check(&files, judge);
    let mut left_out = Vec::new();
    for linter in &LINTERS {
        let Linter { name, version, install, .. } = linter;
        match linter.installed(setting)? {
            Some(installed) if installed == *version => calls.problems.extend(linter.run(&files, setting)?),
            Some(other) => left_out.push(format!("{name} is {other} and not {version}: {install}{version}")),
            None => left_out.push(format!("{name} isn't installed: {install}{version}")),
        }
    }
    Problems(calls.problems).into_result()?;
    if calls.variable > 0 {
        left_out.insert(0, format!("{} with a variable can't be checked here", calls.variable));
    }
    let what = match calls.judged {
        1 => "1 call of cargo xtask is right".to_owned(),
        number => format!("{number} calls of cargo xtask are right"),
    };
    Ok(match left_out.as_slice() {
        [] => Passed::With(format!("{what}, and zizmor and actionlint find nothing")),
        _ => Passed::InPart(format!("{what}; {}", left_out.join("; "))),
    })
}

/// The workflows' names, sorted, and their contents.
fn files(root: &Path) -> Result<Vec<(String, String)>, Problem> {
    let failed = |what: &Path, error| Problem::unreadable(what, &error);
    let folder = root.join(FOLDER);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| failed(&folder, error))? {
        let path = entry.map_err(|error| failed(&folder, error))?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if is_yaml && !path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let source = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
            files.push((format!("{FOLDER}/{name}"), source));
        }
    }
    files.sort();
    Ok(files)
}

impl Linter {
    /// Asks for the version that is installed.
    fn installed(&self, setting: &Setting<'_>) -> Result<Option<String>> {
        if !machine::has(self.name) {
            return Ok(None);
        }
        let printed = run(CommandLine::installed(self.name, "--version"), setting)?;
        if !printed.problems.0.is_empty() {
            return Ok(Some("broken".to_owned()));
        }
        // zizmor says `zizmor 1.32.0`. actionlint says `1.7.12`, or `v1.7.12` where Go built it, and more lines follow.
        let version = printed.text.lines().next().and_then(|line| line.split_whitespace().last()).unwrap_or_default();
        Ok(Some(version.trim_start_matches('v').to_owned()))
    }

    /// Runs the linter, and returns its findings.
    fn run(&self, files: &[(String, String)], setting: &Setting<'_>) -> Result<Vec<Problem>> {
        let mut command = CommandLine::installed(self.name, self.args).reading(self.reading);
        if self.reading == Reading::Actionlint {
            command = command.args(files.iter().map(|(name, _)| name.clone()));
        }
        let printed = run(command, setting)?;
        if !printed.problems.0.is_empty() && !printed.text.trim().is_empty() {
            setting.context.reporter.note(printed.text.trim_end());
        }
        Ok(printed.problems.0)
    }
}

fn run(command: CommandLine, setting: &Setting<'_>) -> Result<Printed> {
    command.deadline(DEADLINE).run(setting)
}
