//! The tools behind the front door: packages that only some commands need, so that other commands don't compile them.
//!
//! A tool is compiled at its first use. A command that runs a tool passes the tool's output and its exit code on as
//! they are.

use std::io::{IsTerminal, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::compiler;
use crate::context::Context;
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::process;
use crate::report::Outcome;

/// The folder of this program's own source. The tools are packages in it.
const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// The longest time for the compilation of a tool and the download of its crates.
const BUILD: Duration = Duration::from_secs(30 * 60);

/// A build that takes longer than this is announced, because it really compiles something.
const SILENCE: Duration = Duration::from_secs(1);

/// The pause between two looks at a child.
const POLL: Duration = Duration::from_millis(10);

/// A package with a program.
pub(crate) struct Tool {
    /// The name of the package and of its program.
    pub(crate) package: &'static str,
    folder: &'static str,
    /// The tool's name in the announcement of its compilation.
    shown: &'static str,
    /// The time that its first compilation takes.
    takes: &'static str,
}

/// Measures the commands.
pub(crate) const BENCH: Tool =
    Tool { package: "xtask-bench", folder: "bench", shown: "the benchmarks", takes: "some twenty seconds" };
/// Fetches PostgreSQL.
pub(crate) const FETCH: Tool = Tool {
    package: "xtask-fetch",
    folder: "fetch",
    shown: "the program that fetches PostgreSQL",
    takes: "half a minute",
};
/// Lints migrations.
pub(crate) const MIGRATION_LINT: Tool =
    Tool { package: "xtask-migration-lint", folder: "migration-lint", shown: "squawk", takes: "a minute" };
/// sqlx-cli.
pub(crate) const SQLX: Tool =
    Tool { package: "xtask-sqlx", folder: "sqlx", shown: "sqlx-cli", takes: "a minute or two" };

/// All tools.
pub(crate) const TOOLS: [&Tool; 4] = [&BENCH, &FETCH, &MIGRATION_LINT, &SQLX];

impl Tool {
    /// Returns the tool's manifest, if it exists. A workspace that has copied `xtask` may have left a tool out.
    pub(crate) fn manifest(&self) -> Option<PathBuf> {
        let manifest = Path::new(HOME).join(self.folder).join("Cargo.toml");
        manifest.is_file().then_some(manifest)
    }

    /// Returns the tool's manifest, if the tool isn't part of the workspace.
    pub(crate) fn foreign_manifest(&self, root: &Path) -> Option<PathBuf> {
        self.manifest().filter(|manifest| !manifest.starts_with(root))
    }

    /// Returns whether the tool has tests.
    pub(crate) fn has_tests(&self) -> bool {
        self.manifest().is_some_and(|manifest| manifest.with_file_name("tests").is_dir())
    }

    /// Returns whether the tool is part of the workspace.
    pub(crate) fn is_member(&self, root: &Path) -> bool {
        self.manifest().is_some_and(|manifest| manifest.starts_with(root))
    }

    /// Compiles the tool, unless it is compiled already, and returns the path of its program.
    ///
    /// # Errors
    /// The tool can't be compiled, or the user pressed Ctrl-C. The error holds cargo's output.
    pub(crate) fn compile(&self, context: Context<'_>) -> Result<PathBuf> {
        self.build(context, false)
    }

    /// Compiles the tool without the network, from crates that were downloaded before.
    ///
    /// # Errors
    /// The errors of [`Tool::compile`]. A crate that isn't there is one of them.
    pub(crate) fn compile_offline(&self, context: Context<'_>) -> Result<PathBuf> {
        self.build(context, true)
    }

    fn build(&self, context: Context<'_>, offline: bool) -> Result<PathBuf> {
        let Context { reporter, interrupt, .. } = context;
        let Self { package, folder, shown, takes } = self;
        let manifest = Path::new(HOME).join("Cargo.toml").display().to_string();
        let args = ["build", "--package", package, "--manifest-path", &manifest];
        let cargo = process::Child::cargo(BUILD).args(args).args(offline.then_some("--offline"));
        let cargo = cargo.args(["--message-format", "json-render-diagnostics"]);
        let step = reporter.step(folder);
        let started = Instant::now();
        let mut told = false;
        let ended = std::thread::scope(|scope| {
            let build = scope.spawn(|| cargo.run(interrupt));
            while !build.is_finished() {
                if !told && started.elapsed() > SILENCE {
                    reporter.note(&format!("Compiling {shown}. The first time, this takes {takes}."));
                    step.doing(&format!("compiling {shown}"));
                    told = true;
                }
                std::thread::sleep(POLL);
            }
            build.join().unwrap_or_else(|_| anyhow::bail!("the thread that waits for cargo died"))
        })?;
        if !ended.status.success() {
            let remedy = if offline {
                format!("With the network, once: cargo build --package {package}")
            } else {
                format!("To repeat only the compilation: cargo build --package {package}")
            };
            return Err(Problem::failed(
                Code::ToolNotBuilt,
                format!("The package {package} can't be compiled ({}).", ended.status),
            )
            .details(ended.stderr.lines().map(str::to_owned))
            .remedy(remedy)
            .into());
        }
        if told {
            step.end(Outcome::Done, &format!("compiled {shown}"));
        }
        let mut executables = compiler::read(&ended.stdout, &ended.stderr).executables;
        executables.remove(*package).with_context(|| format!("cargo built no {package}"))
    }
}

/// Runs a tool and passes its output on. When this program is asked to end, it asks the tool to end as well. It kills a
/// tool that takes longer than `grace` to end.
///
/// # Errors
/// The tool can't be started.
pub(crate) fn pass_on(command: &mut Command, grace: Duration, interrupt: &Interrupt) -> Result<ExitStatus> {
    // On a terminal, the tool stays in the group that Ctrl-C reaches, because a group in the background might not be
    // allowed to write there (`stty tostop`). Elsewhere it gets its own group, so that its children are ended with it.
    let on_terminal = stdout().is_terminal() || stderr().is_terminal();
    #[cfg(unix)]
    if !on_terminal {
        std::os::unix::process::CommandExt::process_group(command, 0);
    }
    let mut child =
        command.spawn().with_context(|| format!("{} can't be started", Path::new(command.get_program()).display()))?;
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match asked {
            None if interrupt.check().is_err() => {
                end(&mut child, !on_terminal, false);
                asked = Some(Instant::now());
            }
            Some(since) if since.elapsed() > grace => end(&mut child, !on_terminal, true),
            _ => {}
        }
        std::thread::sleep(POLL);
    }
}

/// Asks a child, or the whole group that it leads, to end. With `kill`, it is killed.
#[cfg(unix)]
fn end(child: &mut Child, group: bool, kill: bool) {
    use nix::sys::signal::{Signal, kill as signal_one, killpg};
    let signal = if kill { Signal::SIGKILL } else { Signal::SIGTERM };
    // This process hasn't yet waited for the child's end, so the number can't belong to another process.
    if let Ok(pid) = i32::try_from(child.id()).map(nix::unistd::Pid::from_raw) {
        let _ = if group { killpg(pid, signal) } else { signal_one(pid, signal) };
    }
}

/// Windows has told the child about Ctrl-C already.
#[cfg(not(unix))]
fn end(child: &mut Child, _group: bool, kill: bool) {
    if kill {
        drop(child.kill());
    }
}
