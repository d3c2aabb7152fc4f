//! A command line of a step. It can be shown and run, and its output becomes problems.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::findings::{self, ALLOW, Found, Totals, Watch};
use super::reads::Reads;
use super::setting::{Built, Setting};
#[cfg(unix)]
use super::test_log::TestLog;
use crate::context::Context;
use crate::problem::{Code, Problem, Problems};
use crate::process::{Child, Ended, quoted};
use crate::tool::Tool;

/// A command line.
pub(crate) struct CommandLine {
    program: Program,
    /// Relative paths are from the workspace's root.
    args: Vec<String>,
    env: Vec<(&'static str, &'static str)>,
    /// Arguments that make the output machine-readable. They stand before the arguments' `--`, or at the end. They are left
    /// out where the command is shown.
    for_reading: &'static [&'static str],
    reading: Reading,
    /// What it reads, if its result can be kept.
    reads: Option<Reads>,
    /// A text in the error output that shows that the failure is harmless.
    pardon: Option<&'static str>,
    /// The file for its output, relative to the root.
    output: Option<String>,
    /// The report that its program writes, and the file that keeps the report from being overwritten by the next one.
    report: Option<(PathBuf, PathBuf)>,
    /// Files that its program makes, and that another command line has overwritten. Without them, the program makes them
    /// anew.
    anew: Vec<PathBuf>,
    /// The problem if it succeeds without running a test.
    tests: Option<Problem>,
    deadline: Duration,
}

/// The program of a command line.
enum Program {
    Cargo,
    /// A program of the workspace. If a step has built it, it is run. Otherwise cargo builds and runs it.
    Built {
        name: String,
        /// The arguments with which `cargo run` finds it.
        found_by: Vec<String>,
    },
    /// A program that is found on PATH.
    Installed(&'static str),
}

/// The form of a command's output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Text that is only shown.
    Text,
    /// Cargo's messages as JSON.
    Compiler,
    /// rustfmt's differences.
    Format,
    /// nextest's events.
    Nextest,
    /// The output of cargo's own test runner.
    Tests,
    /// The same for examples in documentation. There may be none.
    Examples,
    /// One finding a line, as JSON.
    Findings,
    /// zizmor's findings, as JSON.
    Zizmor,
    /// actionlint's findings, as JSON.
    Actionlint,
}

/// The result of a command.
pub(crate) struct Printed {
    /// The text to show if the step fails.
    pub(crate) text: String,
    /// The numbers of tests, if there were any.
    pub(super) totals: Option<Totals>,
    /// The problems that it found.
    pub(crate) problems: Problems,
    /// The source files that it has read, if it tells them.
    pub(super) sources: Vec<PathBuf>,
}

impl Printed {
    fn only(text: String) -> Self {
        Self { text, totals: None, problems: Problems::default(), sources: Vec::new() }
    }
}

impl CommandLine {
    /// `cargo` with these arguments, separated by spaces.
    pub(crate) fn cargo(args: &str) -> Self {
        Self::new(Program::Cargo, args)
    }

    /// A program of this workspace.
    pub(crate) fn program(name: &str, args: &str) -> Self {
        let found_by = vec!["--bin".to_owned(), name.to_owned()];
        Self::new(Program::Built { name: name.to_owned(), found_by }, args)
    }

    /// A tool, of this workspace or of another one.
    pub(crate) fn tool(tool: &Tool, root: &Path, args: &str) -> Self {
        let name = tool.package.to_owned();
        let manifest =
            tool.foreign_manifest(root).map(|path| ["--manifest-path".to_owned(), path.display().to_string()]);
        let package = ["--package".to_owned(), name.clone()];
        let found_by = manifest.into_iter().flatten().chain(package).collect();
        Self::new(Program::Built { name, found_by }, args)
    }

    /// A program that is installed on this machine.
    pub(crate) fn installed(name: &'static str, args: &str) -> Self {
        Self::new(Program::Installed(name), args)
    }

    fn new(program: Program, args: &str) -> Self {
        Self {
            program,
            args: args.split_whitespace().map(str::to_owned).collect(),
            env: Vec::new(),
            for_reading: &[],
            reading: Reading::Text,
            reads: None,
            pardon: None,
            output: None,
            report: None,
            anew: Vec::new(),
            tests: None,
            deadline: Duration::from_secs(60 * 60),
        }
    }

    /// Adds arguments, which may contain spaces.
    pub(crate) fn args(mut self, args: impl IntoIterator<Item = String>) -> Self {
        self.args.extend(args);
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    pub(crate) fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self.for_reading = match reading {
            Reading::Compiler => &["--message-format", "json"],
            Reading::Findings => &["--format", "json"],
            Reading::Zizmor => &["--format", "json-v1"],
            Reading::Actionlint => &["-format", "{{json .}}"],
            // rustfmt colours its differences even if there is no terminal. It names the files that it reads if it is asked to.
            Reading::Format if matches!(self.program, Program::Cargo) => &["--", "--color", "never", "--verbose"],
            Reading::Format => &["--color", "never", "--verbose"],
            Reading::Nextest => &["--message-format", "libtest-json-plus"],
            Reading::Text | Reading::Tests | Reading::Examples => &[],
        };
        self
    }

    /// Sets what it reads. Without that, its result is never kept.
    pub(crate) fn reads_only(mut self, reads: Reads) -> Self {
        self.reads = Some(reads);
        self
    }

    /// Returns what it reads, if its result can be kept.
    pub(crate) fn reads(&self) -> Option<&Reads> {
        self.reads.as_ref()
    }

    /// Sets a text in the error output that shows that a failure is harmless.
    pub(crate) fn pardon(mut self, words: &'static str) -> Self {
        self.pardon = Some(words);
        self
    }

    /// Writes its output into this file.
    pub(crate) fn output(mut self, file: String) -> Self {
        self.output = Some(file);
        self
    }

    /// Moves the report that its program writes, if it does, from one file to another.
    pub(crate) fn report(mut self, from: PathBuf, to: PathBuf) -> Self {
        self.report = Some((from, to));
        self
    }

    /// Deletes files before it runs, so that its program makes them anew.
    pub(crate) fn anew(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        self.anew.extend(files);
        self
    }

    /// Sets the problem if no test is run.
    pub(crate) fn has_to_test(mut self, otherwise: Problem) -> Self {
        self.tests = Some(otherwise);
        self
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns whether it makes sense only if the commands before it succeeded.
    pub(crate) fn follows(&self) -> bool {
        self.output.is_some()
    }

    /// Runs it in the workspace's root.
    ///
    /// # Errors
    /// The command can't be started, or was ended. A failure of the command is not an error: it is among the problems.
    pub(crate) fn run(&self, setting: &Setting<'_>) -> Result<Printed> {
        let Setting { context: Context { workspace, interrupt, .. }, built, tell, .. } = *setting;
        let root = workspace.root.as_path();
        // GitHub's runners ask for colours, which would disturb the readers of the output.
        let mut child = self.child(built).dir(root).env("CARGO_TERM_COLOR", "never");
        for (name, value) in &self.env {
            child = child.env(name, *value);
        }
        let old = self.report.iter().flat_map(|(from, to)| [from, to]).chain(&self.anew);
        old.for_each(|old| drop(std::fs::remove_file(old)));
        let (ended, log) = match self.reading {
            Reading::Nextest => {
                let mut watch = Watch::default();
                (child.env(ALLOW.0, ALLOW.1).run_watched(interrupt, |line| watch.line(line, tell))?, None)
            }
            Reading::Tests | Reading::Examples => run_with_log(child, setting)?,
            _ => (child.run(interrupt)?, None),
        };
        if let Some((from, to)) = &self.report {
            // There is no report unless the workspace asks for one. Nothing but the report is lost if it can't be moved.
            drop(to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::rename(from, to)));
        }
        if self.pardon.is_some_and(|words| ended.stderr.contains(words)) {
            return Ok(Printed::only(String::new()));
        }
        if let (Some(file), true) = (&self.output, ended.status.success()) {
            write(&root.join(file), &ended.stdout)?;
            return Ok(Printed::only(ended.stderr));
        }
        let Found { mut problems, text, totals, executables, sources } =
            findings::read(self.reading, root, &ended, log.as_deref());
        if let Ok(mut built) = built.lock() {
            built.extend(executables);
        }
        if !ended.status.success() && (problems.0.is_empty() || ended.status.code().is_none()) {
            problems.0.push(Problem::failed(Code::ProgramFailed, format!("`{self}` failed ({}).", ended.status)));
        } else if ended.status.success() {
            // The command succeeded, so its warnings are no problems.
            problems.0.clear();
            if totals.is_some_and(|totals| totals.ran() == 0) {
                problems.0.extend(self.tests.clone());
            }
        }
        Ok(Printed { text, totals, problems, sources })
    }

    fn child(&self, built: &Built) -> Child {
        let divide = self.args.iter().position(|arg| arg == "--").unwrap_or(self.args.len());
        let (before, after) = self.args.split_at(divide);
        let own = before.iter().map(String::as_str).chain(self.for_reading.iter().copied());
        let own = own.chain(after.iter().map(String::as_str));
        match &self.program {
            Program::Cargo => Child::cargo(self.deadline).args(own),
            Program::Built { name, .. } => match built.lock().ok().and_then(|built| built.get(name).cloned()) {
                Some(path) => Child::new(path, self.deadline).args(own),
                None => Child::cargo(self.deadline).args(self.cargo_run()).args(own),
            },
            Program::Installed(name) => Child::new(*name, self.deadline).args(own),
        }
    }

    /// Returns the arguments with which cargo builds and runs the program. For cargo itself there are none.
    fn cargo_run(&self) -> Vec<String> {
        let Program::Built { found_by, .. } = &self.program else { return Vec::new() };
        let run = ["run".to_owned(), "--quiet".to_owned()];
        run.into_iter().chain(found_by.iter().cloned()).chain(["--".to_owned()]).collect()
    }
}

impl fmt::Display for CommandLine {
    /// Writes a line that can be pasted into a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(folder) = self.output.as_deref().and_then(|file| Path::new(file).parent()) {
            write!(f, "mkdir -p {} && ", quoted(&folder.to_string_lossy()))?;
        }
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(if let Program::Installed(name) = self.program { name } else { "cargo" })?;
        for arg in self.cargo_run().iter().chain(&self.args) {
            write!(f, " {}", quoted(arg))?;
        }
        self.output.as_ref().map_or(Ok(()), |file| write!(f, " > {}", quoted(file)))
    }
}

/// Runs tests with cargo's own runner. Returns what the runner has written about their results.
#[cfg(unix)]
fn run_with_log(child: Child, setting: &Setting<'_>) -> Result<(Ended, Option<String>)> {
    let log = TestLog::open(&setting.packages.target.join("xtask"))?;
    let ended = child.args(["--"]).args(log.args()).run(setting.context.interrupt);
    let text = log.finish();
    Ok((ended?, Some(text)))
}

/// Windows has no pipe that many programs can open by its name. There, only the exit code tells whether the tests passed.
#[cfg(not(unix))]
fn run_with_log(child: Child, setting: &Setting<'_>) -> Result<(Ended, Option<String>)> {
    Ok((child.run(setting.context.interrupt)?, None))
}

fn write(file: &Path, text: &str) -> Result<(), Problem> {
    let written = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(file, text));
    written.map_err(|error| Problem::unwritable(file, &error))
}
