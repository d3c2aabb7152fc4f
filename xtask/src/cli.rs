//! The arguments of every command, with their help texts.

mod databases;
mod exchange;
mod pipeline;
#[cfg(test)]
mod tests;

use std::time::Duration;

use clap::{Parser, Subcommand};

pub(crate) use self::databases::{
    DbDiagram, DbPrepare, DbSetup, DbShell, DbStatus, DbUrl, DbVerify, Migrate, MigrateAdd, MigrateDown, MigrateRedo,
    Sqlx, TakeBackOptions,
};
pub(crate) use self::exchange::{DbReset, DbSnapshot, DbSnapshotDrop, DbSnapshotRestore, DbSnapshotSave, DbStop};
pub(crate) use self::pipeline::{Bench, Ci, Complete, Completions, Doctor, Hook, Hooks, HooksInstall, Shell};
use crate::report::Format;

/// The workspace's automation: sets up its databases and proves them, and runs everything that CI runs.
// Clap breaks lines only with a feature that other packages of a workspace may ask for. The texts must not depend on that.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", term_width = 0)]
#[command(after_help = "Examples:
  cargo xtask db-setup          from a fresh clone to proven databases
  cargo xtask ci                everything that CI runs
  cargo xtask db-setup --help   more about one command

Exit codes: 0 done, 1 failed, 2 usage, 3 migrations pending, 4 schema differs, 5 history differs,
6 server or database not there, 130 interrupted.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Show problems only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// The format of the output [default: terminal on a terminal, else plain]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Set up a fresh clone, until every database is migrated and proven
    #[command(
        long_about = "Set up a fresh clone, until every database is migrated and proven. The command makes .env from \
                            .env.ci, finds or starts PostgreSQL, makes the databases, applies the migrations, and \
                            proves that each schema is the one in the repository. A second run changes nothing.",
        after_help = "Examples:
  cargo xtask db-setup
  cargo xtask db-setup --dry-run                says what would be done
  cargo xtask db-setup --server local           only a server of PostgreSQL's own binaries
  cargo xtask db-setup --timeout 5 --format json"
    )]
    DbSetup(DbSetup),
    /// Show the state of the server and of the databases, and change nothing
    #[command(
        long_about = "Show the state of the server and of the databases, and change nothing: what runs and where its data \
                            lies, each migration, whether the schema is proven, and scratch databases that lie about. With \
                            --quiet, only the exit code tells.",
        after_help = "Examples:
  cargo xtask db-status
  cargo xtask db-status --quiet            for scripts: the exit code is 0 if all is proven
  cargo xtask db-status --brief            one line, if the databases have other migrations than this checkout
  cargo xtask db-status --format json      for programs"
    )]
    DbStatus(DbStatus),
    /// Open a prompt in one of the databases, with psql
    #[command(
        long_about = "Open a prompt in one of the databases, with psql: the one of this machine, or else the one in the \
                            container. The password is passed in its environment. Without DATABASE, it is the first one of the \
                            workspace.",
        after_help = "Examples:
  cargo xtask db-shell
  cargo xtask db-shell main -- -c \"SELECT now()\""
    )]
    DbShell(DbShell),
    /// Print the URL of a database, for other programs
    #[command(after_help = "Examples:
  cargo xtask db-url main")]
    DbUrl(DbUrl),
    /// Stop the PostgreSQL that db-setup started, and keep its data
    #[command(after_help = "Examples:
  cargo xtask db-stop
  cargo xtask db-stop --remove-data --yes    deletes the server with all its databases")]
    DbStop(DbStop),
    /// Put new databases in the place of the present ones, migrated from nothing and proven
    #[command(
        long_about = "Put new databases in the place of the present ones. They are made beside them, migrated from nothing and \
                            proven, and then exchanged, so a migration that fails changes nothing. The old databases are kept as a \
                            snapshot, and the last line brings them back. The command says what would go, and asks for the \
                            name. It refuses databases on another machine, of another checkout, and of production.",
        after_help = "Examples:
  cargo xtask db-reset --yes
  cargo xtask db-reset main --yes --no-snapshot"
    )]
    DbReset(DbReset),
    /// Keep the databases as they are now, and bring them back later
    #[command(subcommand)]
    DbSnapshot(DbSnapshot),
    /// Prove, object by object, that each database has the committed schema
    #[command(after_help = "Examples:
  cargo xtask db-verify
  cargo xtask db-verify --deep     every column of every catalog
  cargo xtask db-verify --write    after a new migration: makes the schema files anew")]
    DbVerify(DbVerify),
    /// Write docs/schema.md, which shows the tables of each database with a diagram
    #[command(
        long_about = "Write docs/schema.md, which shows the tables of each database with a diagram, as freshly migrated \
                            scratch databases have them. GitHub shows the diagram as a picture. If the file exists, the \
                            step `schema` of `cargo xtask ci` fails when it is stale.",
        after_help = "Examples:
  cargo xtask db-diagram"
    )]
    DbDiagram(DbDiagram),
    /// Regenerate sqlx's offline query data from freshly migrated scratch databases
    #[command(after_help = "Examples:
  cargo xtask db-prepare    after a new or changed query")]
    DbPrepare(DbPrepare),
    /// Find out what is wrong on this machine, and which command mends it
    #[command(
        long_about = "Find out what is wrong on this machine, and which command mends it. The command changes nothing. Its \
                            exit code is 0 if db-setup would succeed, as far as that can be known: what a migration does \
                            when it runs and what is in a server that doesn't run isn't known.",
        after_help = "Examples:
  cargo xtask doctor
  cargo xtask doctor --fix              also puts right what needs no question
  cargo xtask doctor --format json      for programs"
    )]
    Doctor(Doctor),
    /// Run everything that CI runs
    #[command(
        long_about = "Run everything that CI runs, the same on a laptop and on GitHub. Steps run at the same time \
                            where they can. A step that fails is shown in full, and does not stop the others. A step that passed \
                            isn't run again while the files, programs and settings that it reads stay the same. Your \
                            databases are changed only as db-setup changes them. Experiments use scratch databases.",
        after_help = "Examples:
  cargo xtask ci
  cargo xtask ci --list                       what each step proves
  cargo xtask ci --only format,lint           two steps
  cargo xtask ci --only test --fail-fast      the tests of all packages, up to the first failure
  cargo xtask ci --skip docs --all            every other step, even if nothing has changed"
    )]
    Ci(Ci),
    /// Run sqlx-cli for one of the databases
    #[command(
        after_help = "sqlx-cli receives everything after DATABASE: `cargo xtask sqlx DATABASE --help` lists its\n\
                      commands. It runs in the folder of the database's package, with the URL from .env.\n\
                      `prepare` checks all targets, unless -- and other arguments for cargo follow. If it fails,\n\
                      the query data is lost. `cargo xtask db-prepare` uses scratch databases, and loses no data.

Examples:
  cargo xtask sqlx main migrate info
  cargo xtask sqlx main --help"
    )]
    Sqlx(Sqlx),
    /// Measure these commands, beside the programs that people would use without them
    #[command(disable_help_flag = true)]
    Bench(Bench),
    /// Make migration files, take migrations back, and apply them again
    #[command(subcommand)]
    Migrate(Migrate),
    /// Make git call these commands
    #[command(subcommand)]
    Hooks(Hooks),
    /// Print the completions of `cargo xtask` for a shell
    #[command(
        long_about = "Print a script that lets a shell complete `cargo xtask`: commands, options, databases and steps. It \
                            asks the program that cargo has compiled in the checkout, and compiles nothing.",
        after_help = "Examples:
  cargo xtask completions bash > ~/.cargo-xtask.bash
  cargo xtask completions zsh > ~/.cargo-xtask.zsh
  cargo xtask completions fish > ~/.config/fish/conf.d/cargo-xtask.fish
  cargo xtask completions powershell > cargo-xtask.ps1

A line `source FILE` in ~/.bashrc, or in ~/.zshrc after compinit, makes it permanent. In $PROFILE it is `. FILE`.
Fish needs no line. In PowerShell, other commands of cargo aren't completed then.
Nobody has tried it there yet."
    )]
    Completions(Completions),
    /// Print what could stand in place of the last word. The scripts of `completions` ask it
    #[command(hide = true)]
    Complete(Complete),
}

/// Parses a number of seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("it must be a whole number of seconds from 1 to 86400".into()),
    }
}
