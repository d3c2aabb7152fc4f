//! `cargo xtask sqlx DATABASE ARGS…`: sqlx-cli for one of the databases, from any folder of the checkout.
//!
//! sqlx-cli is a package of its own, which is compiled at its first use. Its output and its exit code are passed on as
//! they are, except after Ctrl-C: sqlx-cli then reports a success, while the server goes on.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use super::Ending;
use crate::cli::Sqlx;
use crate::connection::session;
use crate::context::Context;
use crate::database::cancel::cancel;
use crate::database_url::DatabaseUrl;
use crate::env_file;
use crate::problem::{Code, Exit, Problem};
use crate::process;
use crate::target::Target;
use crate::tool::{self, SQLX};
use crate::workspace::{Database, Workspace};

/// How long sqlx-cli may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Runs sqlx-cli to its end.
pub(crate) async fn run(options: &Sqlx, context: Context<'_>) -> Result<Ending> {
    // sqlx-cli itself reports problems with migration files, where they matter.
    let workspace = context.workspace;
    let Some((name, args)) = options.words.split_first() else {
        let first = workspace.databases.first().map_or("DATABASE", |database| database.name.as_str());
        return Err(Problem::usage(Code::Usage, "No database is named.")
            .remedy(format!("For example: cargo xtask sqlx {first} migrate info"))
            .into());
    };
    let database = workspace.database(&name.to_string_lossy())?;
    let target = if asks_database(args) { Some(usable(workspace, database, options)?) } else { None };

    let program = SQLX.compile(context)?;
    let session = session::name_of_run("xtask sqlx");
    let mut command = Command::new(program);
    command.arg(name).args(args).current_dir(workspace.root.join(&database.package_dir)).stdin(Stdio::null());
    environment(&mut command, workspace, database, target.as_ref().map(|target| &target.url), &session)?;
    let status = tool::pass_on(&mut command, GRACE, context.interrupt)?;

    let interrupted = context.interrupt.check().is_err();
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) if !interrupted && code != Exit::Interrupted as u8 => Ok(Ending::PassedOn(code)),
        _ => Err(match target {
            Some(target) => cancel(&[target], &session).await,
            None => Problem::new(Code::Interrupted, Exit::Interrupted, "Interrupted."),
        }
        .into()),
    }
}

/// Returns whether sqlx-cli asks a database. All other arguments make files, print help or are mistakes, and need no
/// `.env`. If the answer is wrong, sqlx-cli has no URL, so it can't do anything.
fn asks_database(args: &[OsString]) -> bool {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).take_while(|arg| arg != "--").collect();
    let help = args.iter().any(|arg| matches!(&**arg, "-h" | "--help" | "-V" | "--version"));
    let words: Vec<&str> = args.iter().map(AsRef::as_ref).filter(|arg: &&str| !arg.starts_with('-')).collect();
    let asks = matches!(
        words[..],
        ["prepare" | "prep", ..]
            | ["database" | "db", "create" | "drop" | "reset" | "setup", ..]
            | ["migrate" | "mig", "run" | "revert" | "info" | "override", ..]
    );
    asks && !help
}

/// The database with its URL, if it may be used.
///
/// # Errors
/// The checkout isn't set up, or the server is on another machine.
fn usable<'w>(workspace: &'w Workspace, database: &Database, options: &Sqlx) -> Result<Target<'w>> {
    let target = env_file::target(workspace, database)?;
    let anyway = format!("cargo xtask sqlx --allow-remote {} …", database.name);
    target.refuse_remote(options.allow_remote, "sqlx-cli", &anyway)?;
    Ok(target)
}

/// Sets the environment of sqlx-cli, and of the cargo that its `prepare` runs.
fn environment(
    command: &mut Command,
    workspace: &Workspace,
    database: &Database,
    url: Option<&DatabaseUrl>,
    session: &str,
) -> Result<()> {
    // Cargo's variables about this package would make `prepare`'s cargo run the build scripts of other packages again.
    for name in process::said_by_cargo() {
        command.env_remove(name);
    }
    // `prepare` needs `CARGO`.
    let cargo = std::env::var_os("CARGO").map(PathBuf::from).or_else(|| which::which("cargo").ok());
    command.envs(cargo.map(|cargo| ("CARGO", cargo)));
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        // sqlx-cli runs in another folder, so a relative folder is resolved here.
        command.env("CARGO_TARGET_DIR", std::path::absolute(folder)?);
    }
    // The variables of the other databases are empty. They win over .env, and lead nowhere. If `prepare` compiles
    // crates that this one depends on, those crates read their committed query data, and write none into the data of
    // this one.
    for variable in workspace.url_variables() {
        command.env(variable, "");
    }
    command.env_remove("DATABASE_URL");
    if let Some(url) = url {
        let url = url.of_database(&url.database, session);
        command.env(&database.url_variable, &url).env("DATABASE_URL", url);
    }
    Ok(())
}
