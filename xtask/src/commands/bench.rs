//! `cargo xtask bench ARGS…`: measures the commands, beside the programs that people would use without them.
//!
//! A package of its own does the work. This command compiles that package, and describes the workspace to it. It
//! removes the user's servers from the environment, because the measured commands drop and make databases.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use super::Ending;
use crate::cli::{Bench, Cli};
use crate::context::Context;
use crate::problem::{Code, Exit, Problem};
use crate::process;
use crate::tool::{self, BENCH};
use crate::workspace::{Database, Workspace};

/// How long the benchmarks may take to end when they are asked to. They stop servers and delete compiled files.
const GRACE: Duration = Duration::from_secs(90);

/// Variables that name the user's servers and folders. The measured commands use other ones.
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

/// The prefixes of other variables that name servers and folders: those of compose, of git in a hook, and of PostgreSQL's
/// clients.
const PREFIXES: [&str; 3] = ["COMPOSE_", "GIT_", "PG"];

/// Runs the benchmarks to their end.
pub(crate) fn run(options: &Bench, cli: &Cli, context: Context<'_>) -> Result<Ending> {
    let workspace = context.workspace;
    workspace.wrong_files.clone().into_result()?;
    let program = BENCH.compile(context)?;
    let mut command = Command::new(program);
    command.args(["--workspace", &description(workspace)?]).stdin(Stdio::null());
    if let Some(format) = cli.format.as_ref().and_then(ValueEnum::to_possible_value) {
        command.args(["--format", format.get_name()]);
    }
    command.args(cli.quiet.then_some("--quiet")).args(&options.words);
    environment(&mut command, workspace);

    let status = tool::pass_on(&mut command, GRACE, context.interrupt)?;
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Ok(Ending::PassedOn(code)),
        None => Err(Problem::new(
            Code::ProgramFailed,
            Exit::Failed,
            format!("The benchmarks did not run to their end ({status})."),
        )
        .remedy("Run them again: cargo xtask bench")
        .into()),
    }
}

/// Describes the workspace for the benchmarks, as JSON.
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
    let xtask = std::env::current_exe().map_err(|error| {
        Problem::failed(Code::FileUnreadable, format!("The path of this program can't be read: {error}."))
            .remedy("It may have been compiled anew meanwhile. Run it again: cargo xtask bench")
    })?;
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
