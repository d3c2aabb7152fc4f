//! sqlx-cli, pinned, behind `cargo xtask sqlx DATABASE ARGS…`.
//!
//! xtask starts it in the folder of the database's package, where sqlx-cli finds `sqlx.toml`, with the database's URL
//! in `DATABASE_URL`. The arguments are sqlx-cli's own and are read by its own parser. This program adds two things: it
//! refuses commands that would show the password, and it doesn't take Ctrl-C for success.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, FromArgMatches};
use signal_hook::consts::SIGINT;
use sqlx_cli::Opt;
use sqlx_cli::opt::{Command, ConnectOpts, DatabaseCommand, MigrateCommand, OverrideCommand};
use xtask_env::DatabaseUrl;

/// The variable with the database's URL. The URL isn't in the command line, which every user of the machine can read.
const URL: &str = "DATABASE_URL";

/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    // The first argument is the database's name. sqlx-cli's parser takes it for the name of the program.
    let database = words.peek().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let name = format!("cargo xtask sqlx {database}");
    let mut options = options(name.trim_end(), words);
    if let Err(reason) = make_ready(&mut options.command, &name) {
        eprintln!("error: {reason}");
        return ExitCode::FAILURE;
    }
    // sqlx-cli's own `main` does this too. It isn't used here, because it also reads `.env` in all parent folders.
    sqlx::any::install_default_drivers();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime for connections can't be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(options))
}

/// Reads the words with sqlx-cli's parser. The parser itself ends the process after `--help` and after an error.
fn options(name: &str, words: impl Iterator<Item = OsString>) -> Opt {
    let mut command = Opt::command().bin_name(name);
    let matches = command.try_get_matches_from_mut(words).unwrap_or_else(|error| error.exit());
    Opt::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

/// Runs sqlx-cli. It listens for Ctrl-C as well and would call it a success: a run that was asked to end is never one.
async fn run(options: Opt) -> ExitCode {
    let mut asked = std::pin::pin!(tokio::signal::ctrl_c());
    // It listens from its first look on. Before that, the signal simply ends the process.
    tokio::select! {
        biased;
        _ = &mut asked => return ExitCode::from(INTERRUPTED),
        () = std::future::ready(()) => {}
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(SIGINT, Arc::clone(&interrupted)) {
        eprintln!("error: the handler for Ctrl-C can't be installed: {error}");
        return ExitCode::FAILURE;
    }
    let result = tokio::select! {
        biased;
        _ = &mut asked => return ExitCode::from(INTERRUPTED),
        result = sqlx_cli::run(options) => result,
    };
    match result {
        // The signal's handler sets the flag itself, so it doesn't matter which of the two futures heard of it first.
        _ if interrupted.load(Ordering::SeqCst) => ExitCode::from(INTERRUPTED),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", sentence(error.chain()));
            ExitCode::FAILURE
        }
    }
}

/// Returns an error with its causes. Many of sqlx's errors already contain their cause.
fn sentence<'a>(chain: impl Iterator<Item = &'a (dyn std::error::Error + 'static)>) -> String {
    let mut text = String::new();
    for cause in chain {
        let said = cause.to_string();
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        if let Some(error) = cause.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error) {
            // sqlx adds "at line …". That is a line of the server's source code, but a reader would look for it in the
            // migration.
            return text.replace(&error.to_string(), error.message());
        }
    }
    text
}

/// Prepares a command for its run.
///
/// # Errors
/// The reason why the command isn't run: it has a URL of its own, there is no URL, or it would delete a database
/// without a confirmation.
fn make_ready(command: &mut Command, name: &str) -> Result<(), String> {
    if let Command::Prepare { args, .. } = command
        && args.is_empty()
    {
        // Without this argument, the queries of tests are left out.
        args.push("--all-targets".into());
    }
    let destroys = match command {
        Command::Database(database) => match &database.command {
            DatabaseCommand::Drop { confirmation, .. } if !confirmation.yes => Some("drop"),
            DatabaseCommand::Reset { confirmation, .. } if !confirmation.yes => Some("reset"),
            _ => None,
        },
        _ => None,
    };
    let Some(connection) = connection(command) else { return Ok(()) };
    if connection.database_url.is_some() {
        return Err(format!(
            "--database-url can't be used here: every user of the machine can read the password in a command line, and \
             the database is already named.\n  → Leave --database-url out: {name} …\n  \
             → Or change the URL in .env."
        ));
    }
    let url = std::env::var(URL).map_err(|_| {
        format!("{URL} isn't set. Start this program with `cargo xtask sqlx DATABASE …`, which sets the variable.")
    })?;
    if let Some(verb) = destroys {
        return Err(format!(
            "`database {verb}` would delete {} with all its data. It can't ask for a confirmation here, because \
             sqlx-cli's own question shows the password.\n  → If you want to delete it: {name} database {verb} -y",
            place(&url)
        ));
    }
    // Another --config may name another variable.
    connection.database_url = Some(url);
    Ok(())
}

/// Returns the options of the connection that a command makes, if it makes one.
fn connection(command: &mut Command) -> Option<&mut ConnectOpts> {
    match command {
        Command::Database(database) => match &mut database.command {
            DatabaseCommand::Create { connect_opts, .. }
            | DatabaseCommand::Drop { connect_opts, .. }
            | DatabaseCommand::Reset { connect_opts, .. }
            | DatabaseCommand::Setup { connect_opts, .. } => Some(connect_opts),
        },
        Command::Prepare { connect_opts, .. } => Some(connect_opts),
        Command::Migrate(migrate) => match &mut migrate.command {
            MigrateCommand::Run { connect_opts, .. }
            | MigrateCommand::Revert { connect_opts, .. }
            | MigrateCommand::Info { connect_opts, .. }
            | MigrateCommand::Override { command: OverrideCommand::Skip { connect_opts, .. } } => Some(connect_opts),
            MigrateCommand::Add(_) | MigrateCommand::BuildScript { .. } => None,
        },
    }
}

/// Returns the database and the server of a URL, without the password.
fn place(url: &str) -> String {
    DatabaseUrl::parse(URL, url)
        .map_or_else(|_| "the database".to_owned(), |url| format!("{} at {}", url.database, url.address))
}
