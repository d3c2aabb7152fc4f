//! Every argument and its help, declared once.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::report::Format;
use crate::server::Choice;

/// The workspace's automation: databases from nothing to proven, and everything that CI runs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 migrations pending, 4 schema differs, \
                        5 history differs, 6 server or database not there, 130 interrupted.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Show problems only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// How to show what happens [default: terminal on a terminal, else plain]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// From a fresh clone to every database migrated and proven
    #[command(
        long_about = "From a fresh clone to every database migrated and proven: makes .env from .env.ci, finds or \
                            starts PostgreSQL, makes the databases, applies the migrations, and proves that each \
                            schema is what the repository says. Typed again, it changes nothing."
    )]
    DbSetup(DbSetup),
    /// Stop the PostgreSQL that db-setup started; its data is kept
    DbStop,
    /// Prove that each database's schema is the committed one, object by object
    DbVerify(DbVerify),
    /// Make sqlx's offline query data anew, from scratch databases migrated from nothing
    DbPrepare(DbPrepare),
    /// Run everything that CI runs
    #[command(
        long_about = "Run everything that CI runs, the same on a laptop and on GitHub. Steps run side by side where \
                            they can; what fails is shown in full, and does not stop the others. Nothing here touches \
                            your databases beyond what db-setup does: experiments live in scratch databases."
    )]
    Ci(Ci),
    /// Run sqlx-cli for one of the databases
    #[command(
        after_help = "Everything after DATABASE is sqlx-cli's own: `cargo xtask sqlx DATABASE --help` lists its\n\
                      commands. It runs in the folder of the database's package, with the URL that .env has.\n\
                      `prepare` looks at all targets, unless -- and other arguments for cargo follow; if it fails, the\n\
                      query data is gone. `cargo xtask db-prepare` makes it from scratch databases, or leaves it as it is."
    )]
    Sqlx(Sqlx),
    /// Measure these commands, beside the programs that people would use without them
    #[command(disable_help_flag = true)]
    Bench(Bench),
    /// Make migration files
    #[command(subcommand)]
    Migrate(Migrate),
}

#[derive(Args)]
pub(crate) struct DbSetup {
    /// Where PostgreSQL comes from; with anything but auto, no other place is tried
    #[arg(long, value_enum, default_value_t)]
    pub(crate) server: Choice,

    /// How long to wait for a server, and for another run, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Make and migrate databases also on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// Whether databases that are what the migrations make will do, though the committed schema says something else;
    /// not for the command line
    #[arg(skip)]
    pub(crate) accept_stale_file: bool,
}

#[derive(Args)]
pub(crate) struct DbVerify {
    /// Make the schema files anew, from scratch databases migrated from nothing
    #[arg(long)]
    pub(crate) write: bool,

    /// Make scratch databases also on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct DbPrepare {
    /// Make scratch databases also on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct Ci {
    /// Run these steps and no others
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Leave these steps out
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,

    /// End with the first step that fails
    #[arg(long)]
    pub(crate) fail_fast: bool,

    /// List the steps and what each proves; run nothing
    #[arg(long, conflicts_with = "explain")]
    pub(crate) list: bool,

    /// Show the command lines of the steps; run nothing
    #[arg(long)]
    pub(crate) explain: bool,

    /// Make databases and scratch databases also on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct Sqlx {
    /// Also on a host that isn't this machine; stands before DATABASE
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// The database, and sqlx-cli's own arguments
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_names = ["DATABASE", "ARGS"])]
    pub(crate) words: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct Bench {
    /// What to measure and how: `cargo xtask bench --help` lists it
    #[arg(num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) words: Vec<OsString>,
}

#[derive(Subcommand)]
pub(crate) enum Migrate {
    /// Make the files of a database's next migration
    #[command(
        long_about = "Makes the files of a database's next migration, NNN_NAME.up.sql and NNN_NAME.down.sql, with the \
                      number after the highest one. A file that is there is never written to."
    )]
    Add(MigrateAdd),
}

#[derive(Args)]
pub(crate) struct MigrateAdd {
    /// The database: the name of its migrations folder
    pub(crate) database: String,

    /// What it does: letters, digits and _; spaces and hyphens become _
    pub(crate) name: String,
}

/// The names of all commands.
pub(crate) fn command_names() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("a whole number of seconds, from 1 to 86400".into()),
    }
}
