//! `cargo xtask sqlx DATABASE ARGS…`: sqlx-cli for one of the databases, from any folder of the checkout.
//!
//! sqlx-cli is a package of its own, which is compiled at its first use. Its output and its exit code are passed on as
//! they are, except after Ctrl-C: sqlx-cli then reports a success, while the server goes on.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::Ending;
use crate::cli::Sqlx;
use crate::connection::session;
use crate::context::Context;
use crate::database::cancel::cancel;
use crate::database_url::DatabaseUrl;
use crate::env_file::{FILE, Settings};
use crate::interrupt::Interrupt;
use crate::problem::{Exit, Problem, Problems};
use crate::process;
use crate::report::Outcome;
use crate::target::Target;
use crate::workspace::{Database, Workspace};

/// The package with sqlx-cli, and its program.
const PACKAGE: &str = "xtask-sqlx";

/// How long compiling sqlx-cli may take, the crates' download included.
const BUILD: Duration = Duration::from_secs(30 * 60);

/// A build that takes longer than this is told about: it isn't the usual look at what is up to date.
const SILENCE: Duration = Duration::from_secs(1);

/// The pause between two looks at sqlx-cli.
const POLL: Duration = Duration::from_millis(10);

/// How long sqlx-cli may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Runs sqlx-cli to its end.
pub(crate) async fn run(options: &Sqlx, context: Context<'_>) -> Result<Ending> {
    // sqlx-cli itself reports problems with migration files, where they matter.
    let workspace = context.workspace;
    let Some((name, args)) = options.words.split_first() else {
        return Err(Problem::usage("No database is named.").into());
    };
    let database = workspace.database(&name.to_string_lossy())?;
    let target = if asks_database(args) { Some(usable(workspace, database, options)?) } else { None };

    let program = build(context)?;
    let session = session::name_of_run("xtask sqlx");
    let mut command = Command::new(program);
    command.arg(name).args(args).current_dir(workspace.root.join(&database.package_dir)).stdin(Stdio::null());
    environment(&mut command, workspace, database, target.as_ref().map(|target| &target.url), &session)?;
    let status = pass_on(&mut command, context.interrupt)?;

    let interrupted = context.interrupt.check().is_err();
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) if !interrupted && code != Exit::Interrupted as u8 => Ok(Ending::PassedOn(code)),
        _ => Err(match target {
            Some(target) => cancel(&[target], &session).await,
            None => Problem::new(Exit::Interrupted, "Interrupted."),
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
    let mut problems = Problems::default();
    let settings = Settings::load(workspace, &mut problems);
    let (name, variable) = (&database.name, &database.url_variable);
    if settings.new_file.is_some() && std::env::var_os(variable).is_none() {
        return Err(Problem::unavailable(format!("There is no {FILE} yet, so {name} has no URL."))
            .remedy("cargo xtask db-setup")
            .into());
    }
    problems.into_result()?;
    let target = settings.targets.into_iter().find(|target| target.database.name == *name);
    let target = target.with_context(|| format!("{variable} isn't set"))?;
    let url = &target.url;
    if !url.address.is_loopback() && !options.allow_remote {
        return Err(Problem::unavailable(format!(
            "{} ({}) isn't on this machine; sqlx-cli wasn't run.",
            url.database, url.address
        ))
        .detail(format!("The host is named by {variable}. Nothing was asked or changed there."))
        .remedy(format!("If you mean that server: cargo xtask sqlx --allow-remote {name} …"))
        .into());
    }
    Ok(target)
}

/// What cargo prints for each thing that it made.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

/// Compiles sqlx-cli, unless that is done already, and returns the program.
fn build(context: Context<'_>) -> Result<PathBuf> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let args = ["build", "--package", PACKAGE, "--manifest-path", manifest];
    let cargo = process::Child::cargo(BUILD).args(args).args(["--message-format", "json-render-diagnostics"]);
    let step = context.reporter.step("sqlx");
    let started = Instant::now();
    let mut told = false;
    let ended = std::thread::scope(|scope| {
        let build = scope.spawn(|| cargo.run(context.interrupt));
        while !build.is_finished() {
            if !told && started.elapsed() > SILENCE {
                context.reporter.note("Compiling sqlx-cli; the first time, this takes a minute or two.");
                step.doing("compiling sqlx-cli");
                told = true;
            }
            std::thread::sleep(POLL);
        }
        build.join().unwrap_or_else(|_| anyhow::bail!("the thread that waits for cargo died"))
    })?;
    if !ended.status.success() {
        return Err(Problem::failed(format!("sqlx-cli can't be compiled ({}).", ended.status))
            .details(ended.stderr.lines().map(str::to_owned))
            .remedy(format!("To repeat just that: cargo build --package {PACKAGE}"))
            .into());
    }
    if told {
        step.end(Outcome::Done, "sqlx-cli compiled");
    }
    let messages = ended.stdout.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages.filter_map(|message| message.executable).next_back().with_context(|| format!("cargo built no {PACKAGE}"))
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

/// Runs a program and passes its output on to the user. When this program is asked to end, the other one is ended as
/// well.
fn pass_on(command: &mut Command, interrupt: &Interrupt) -> Result<ExitStatus> {
    // On a terminal, the program stays in the group that Ctrl-C reaches, because a group in the background might not be
    // allowed to write there (`stty tostop`). Elsewhere it gets its own group, so that its children are ended with it.
    let on_terminal = stdout().is_terminal() || stderr().is_terminal();
    #[cfg(unix)]
    if !on_terminal {
        std::os::unix::process::CommandExt::process_group(command, 0);
    }
    let mut child = command.spawn().context("sqlx-cli can't be started")?;
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
            Some(since) if since.elapsed() > GRACE => end(&mut child, !on_terminal, true),
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
    // The child isn't reaped yet, so the number is still its own.
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
