//! The options of the commands that work on databases and their migrations.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::seconds;
use crate::server::Choice;

#[derive(Args)]
pub(crate) struct DbSetup {
    /// Where PostgreSQL comes from. With any value but auto, no other place is tried
    #[arg(long, value_enum, default_value_t)]
    pub(crate) server: Choice,

    /// How long to wait for a server, and for another run, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Also make and migrate databases on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// Use databases that belong to another checkout, from now on
    #[arg(long)]
    pub(crate) share: bool,

    /// Fetch nothing from the network
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Args)]
pub(crate) struct DbStatus {
    /// Print one line if the databases have other migrations than this checkout, and nothing otherwise. No schema is compared
    #[arg(long)]
    pub(crate) brief: bool,
}

#[derive(Args)]
pub(crate) struct DbShell {
    /// Also use a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// The name of the database, which is the name of its migrations folder
    pub(crate) database: Option<String>,

    /// The arguments for psql
    #[arg(last = true)]
    pub(crate) args: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct DbUrl {
    /// The name of the database, which is the name of its migrations folder
    pub(crate) database: String,

    /// Print the password, too. It is then on your screen, or in a log
    #[arg(long)]
    pub(crate) with_password: bool,
}

#[derive(Args)]
pub(crate) struct DbVerify {
    /// Regenerate the schema files from freshly migrated scratch databases
    #[arg(long)]
    pub(crate) write: bool,

    /// Also compare every column of every catalog with a scratch database migrated from nothing
    #[arg(long, conflicts_with = "write")]
    pub(crate) deep: bool,

    /// How long an answer of the server may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Also make scratch databases on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct DbDiagram {
    /// Also make scratch databases on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct DbPrepare {
    /// Also make scratch databases on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct Sqlx {
    /// Also use a host that isn't this machine. This option stands before DATABASE
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// The database, and the arguments for sqlx-cli
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_names = ["DATABASE", "ARGS"])]
    pub(crate) words: Vec<OsString>,
}

#[derive(Subcommand)]
pub(crate) enum Migrate {
    /// Make the files of a database's next migration
    #[command(
        long_about = "Make the files of a database's next migration, NNN_NAME.up.sql and NNN_NAME.down.sql. NNN is the \
                      number after the highest one. The command never changes a file that exists.",
        after_help = "Examples:
  cargo xtask migrate add main add_users_phone
  cargo xtask migrate add main \"add users phone\""
    )]
    Add(MigrateAdd),
    /// Take back what was applied, even if its file is gone
    #[command(
        long_about = "Take migrations back, the newest first, by the way down that was recorded when they were applied. A \
                      file that was changed or deleted meanwhile doesn't matter. What would be lost is said before: on a \
                      terminal the command asks, elsewhere it needs --yes. Afterwards the schema is proven to be that of \
                      the migrations that stay. If the recorded texts allow it, all of it is one transaction.",
        after_help = "Examples:
  cargo xtask migrate down main --dry-run     says what would be lost, and changes nothing
  cargo xtask migrate down main               the newest migration
  cargo xtask migrate down main --to 3        all after 003"
    )]
    Down(MigrateDown),
    /// Take back the newest migration as it was applied, and apply its file as it is now
    #[command(
        long_about = "Take back the newest migration as it was applied, and apply its file as it is now: the loop of writing \
                      a migration. A changed file is refused if the main branch has it, because others may have applied it. \
                      What would be lost is said before: on a terminal the command asks, elsewhere it needs --yes. If the \
                      files allow it, all of it is one transaction, so a file that fails leaves the database as it was. \
                      Pending migrations are applied as well. Afterwards the schema is proven as by db-setup.",
        after_help = "Examples:
  cargo xtask migrate redo main --dry-run     says what would be lost, and changes nothing
  cargo xtask migrate redo main               the newest migration
  cargo xtask migrate redo main --from 5      005 and all after it, with files that were never applied"
    )]
    Redo(MigrateRedo),
}

#[derive(Args)]
pub(crate) struct MigrateDown {
    /// The name of the database, which is the name of its migrations folder
    pub(crate) database: String,

    /// The newest version that stays. 0 takes all back [default: the one before the newest]
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) to: Option<i64>,

    #[command(flatten)]
    pub(crate) how: TakeBackOptions,
}

#[derive(Args)]
pub(crate) struct MigrateRedo {
    /// The name of the database, which is the name of its migrations folder
    pub(crate) database: String,

    /// The first version to take back and apply again [default: the newest]
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) from: Option<i64>,

    #[command(flatten)]
    pub(crate) how: TakeBackOptions,
}

/// The options of the commands that take migrations back.
#[derive(Args)]
pub(crate) struct TakeBackOptions {
    /// Don't ask, whatever is lost
    #[arg(long)]
    pub(crate) yes: bool,

    /// Say what would be done and lost, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,

    /// How long to wait for another run, and for an answer of the server, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Also do it on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct MigrateAdd {
    /// The name of the database, which is the name of its migrations folder
    pub(crate) database: String,

    /// What the migration does, in letters, digits and _. Spaces and hyphens become _
    pub(crate) name: String,
}
