//! `cargo xtask sqlx DATABASE ARGS…`: sqlx-cli for one of the databases, from any folder of the checkout.
//!
//! sqlx-cli is compiled as a package of its own, when somebody first asks for it. What it prints and its exit code are
//! passed on as they are; only Ctrl-C is another matter: sqlx-cli calls it a success, while the server goes on.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Context, Ending};
use crate::cli::Sqlx;
use crate::database::cancel::cancel;
use crate::database_url::DatabaseUrl;
use crate::env_file::{FILE, Settings};
use crate::problem::{Exit, Problem, Problems};
use crate::process;
use crate::tool::{self, SQLX};
use crate::workspace::{Database, Workspace};

/// How long sqlx-cli may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Runs sqlx-cli to its end.
pub(crate) async fn run(options: &Sqlx, context: &Context<'_>) -> Result<Ending> {
    // What is wrong with migration files, sqlx-cli says where it matters; only what hides the database counts here.
    let mut hidden = Problems::default();
    let workspace = Workspace::find(&mut hidden)?;
    let Some((name, args)) = options.words.split_first() else {
        return Err(Problem::usage("No database is named.").into());
    };
    let database = workspace.database(&name.to_string_lossy()).map_err(|unknown| {
        hidden.0.push(unknown);
        hidden
    })?;
    let url = if asks_database(args) { Some(usable_url(&workspace, database, options)?) } else { None };

    let program = SQLX.compile(context.reporter, context.interrupt)?;
    let session = format!("xtask sqlx {}", std::process::id());
    let mut command = Command::new(program);
    command.arg(name).args(args).current_dir(workspace.root.join(&database.package_dir)).stdin(Stdio::null());
    environment(&mut command, &workspace, database, url.as_ref(), &session)?;
    let status = tool::pass_on(&mut command, GRACE, context.interrupt)?;

    let interrupted = context.interrupt.check().is_err();
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) if !interrupted && code != Exit::Interrupted as u8 => Ok(Ending::PassedOn(code)),
        _ => Err(match url {
            Some(url) => cancel(&[url], &session).await,
            None => Problem::new(Exit::Interrupted, "Interrupted."),
        }
        .into()),
    }
}

/// Whether sqlx-cli asks a database. All else makes files, prints help or is a mistake, which needs no `.env`; should
/// the answer be wrong, sqlx-cli has no URL to do anything with.
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

/// The database's URL, if it may be used.
///
/// # Errors
/// The checkout isn't set up, or the server is another machine's.
fn usable_url(workspace: &Workspace, database: &Database, options: &Sqlx) -> Result<DatabaseUrl> {
    let mut problems = Problems::default();
    let settings = Settings::load(&workspace.root, &workspace.url_variables(), &mut problems);
    let (name, variable) = (&database.name, &database.url_variable);
    if settings.new_file.is_some() && std::env::var_os(variable).is_none() {
        return Err(Problem::unavailable(format!("There is no {FILE} yet, so {name} has no URL."))
            .remedy("cargo xtask db-setup")
            .into());
    }
    problems.into_result()?;
    let url = settings.urls.into_iter().find(|url| url.variable == *variable);
    let url = url.with_context(|| format!("{variable} isn't set"))?;
    if !url.address.is_loopback() && !options.allow_remote {
        return Err(Problem::unavailable(format!(
            "{} ({}) isn't on this machine; sqlx-cli wasn't run.",
            url.database, url.address
        ))
        .detail(format!("Named by {variable}. Nothing was asked or changed there."))
        .remedy(format!("If you mean that server: cargo xtask sqlx --allow-remote {name} …"))
        .into());
    }
    Ok(url)
}

/// What sqlx-cli, and the cargo that its `prepare` runs, find in their environment.
fn environment(
    command: &mut Command,
    workspace: &Workspace,
    database: &Database,
    url: Option<&DatabaseUrl>,
    session: &str,
) -> Result<()> {
    // What cargo says of this package would have `prepare`'s cargo run other packages' build scripts again.
    for name in process::said_by_cargo() {
        command.env_remove(name);
    }
    // `prepare` asks for it.
    let cargo = std::env::var_os("CARGO").map(PathBuf::from).or_else(|| which::which("cargo").ok());
    command.envs(cargo.map(|cargo| ("CARGO", cargo)));
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        // One that is relative was meant from here.
        command.env("CARGO_TARGET_DIR", std::path::absolute(folder)?);
    }
    // Empty, the other databases' variables win over .env and lead nowhere: crates that this one depends on, should
    // `prepare` compile them, then read their committed query data, and write none into this one's.
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
