//! `cargo xtask bench ARGS…`: measures the commands, beside the programs that people would use without them.
//!
//! The work is done by a package of its own. This command compiles it, tells it about the workspace, and gives it an
//! environment that leads to no server of the user's: the measured commands drop and make databases.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use super::{Context, Ending};
use crate::cli::{Bench, Cli};
use crate::problem::{Exit, Problem, Problems};
use crate::process;
use crate::tool::{self, BENCH};
use crate::workspace::{Database, Workspace};

/// How long it may take to end when it is asked to: it stops servers and deletes what was compiled.
const GRACE: Duration = Duration::from_secs(90);

/// What the environment may say about servers, and about where things are: the measured commands work elsewhere.
const NAMES: [&str; 9] = [
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_TARGET_DIR",
    "DATABASE_URL",
    "GITHUB_ACTIONS",
    "POSTGRES_PASSWORD",
    "POSTGRES_PORT",
    "POSTGRES_USER",
    "XTASK_CACHE_DIR",
    "XTASK_STATE_DIR",
];

/// How the names of other such variables begin: those of compose, of git in a hook, and of PostgreSQL's clients.
const PREFIXES: [&str; 3] = ["COMPOSE_", "GIT_", "PG"];

/// Runs the benchmarks to their end.
pub(crate) fn run(options: &Bench, cli: &Cli, context: &Context<'_>) -> Result<Ending> {
    let mut problems = Problems::default();
    let workspace = Workspace::find(&mut problems)?;
    problems.into_result()?;

    let program = BENCH.compile(context.reporter, context.interrupt)?;
    let mut command = Command::new(program);
    command.args(["--workspace", &description(&workspace)?]).stdin(Stdio::null());
    if let Some(format) = cli.format.as_ref().and_then(ValueEnum::to_possible_value) {
        command.args(["--format", format.get_name()]);
    }
    command.args(cli.quiet.then_some("--quiet")).args(&options.words);
    environment(&mut command, &workspace);

    let status = tool::pass_on(&mut command, GRACE, context.interrupt)?;
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Ok(Ending::PassedOn(code)),
        None => {
            Err(Problem::new(Exit::Failed, format!("The benchmarks were ended before their time ({status}).")).into())
        }
    }
}

/// What the benchmarks need to know, as JSON.
fn description(workspace: &Workspace) -> Result<String> {
    let files = |database: &Database| -> Vec<_> { database.migrations.iter().map(|file| file.file.clone()).collect() };
    let databases: Vec<_> = workspace
        .databases
        .iter()
        .map(|database| {
            serde_json::json!({
                "name": database.name,
                "url_variable": database.url_variable,
                "migrations_dir": database.migrations_dir,
                "migrations": files(database),
            })
        })
        .collect();
    let xtask = std::env::current_exe().context("the path of this program can't be had")?;
    Ok(serde_json::json!({ "root": workspace.root, "xtask": xtask, "databases": databases }).to_string())
}

fn environment(command: &mut Command, workspace: &Workspace) {
    for name in process::said_by_cargo() {
        command.env_remove(name);
    }
    for name in workspace.url_variables().into_iter().chain(NAMES) {
        command.env_remove(name);
    }
    let misleads = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(misleads)) {
        command.env_remove(name);
    }
}
